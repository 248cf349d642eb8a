/** The same VMs on Drover's own VMM and on QEMU, through the one interface that an agent has. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  findQemus,
  type Hypervisor,
  Isolation,
  maxMemoryMiBOf,
  type MigrateOptions,
  QemuDriver,
  readConsole,
  readConsoleTail,
  runtimeFolderFor,
  STANDARD_DEVICES,
  type StandardDevice,
  type VmHandle,
  VmmDriver,
  type VmProcess,
  writeConsole,
} from '#hypervisor';
import { createAuthority } from '../../apps/controller/certificates/x509.js';
import { credentialsOf } from '../certificates.js';
import { isInstalled } from '../programs.js';

const root = join(import.meta.dirname, '..', '..');
const dir = mkdtempSync(join(tmpdir(), 'drover-dr-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const program = join(root, 'dist/apps/vmm/main.js');
const isolation = Isolation.none(program, 'another test is about that');
const hasQemu = isInstalled('qemu-system-riscv64', 'driver qemu');
const qemu = (await findQemus()).find(({ architecture }) => architecture === 'riscv64');
const drivers: [string, Hypervisor, RegExp][] = [
  ['vmm', new VmmDriver(program, isolation), /^drover-vmm: -kernel/],
  ...(hasQemu
    ? ([['qemu', new QemuDriver('riscv64', qemu!, isolation), /could not load kernel/]] satisfies [
        string,
        Hypervisor,
        RegExp,
      ][])
    : []),
];

test('the VMM says the most memory that it gives a guest under this Node.js', async () => {
  expect(await maxMemoryMiBOf(program)).toBe(Number(process.versions.node.split('.')[0]) < 24 ? 3584 : 15_872);
  expect(await maxMemoryMiBOf(join(dir, 'no-such.js'))).toBeNull();
});

/** A folder's name for each process. */
let processes = 0;
const specOf = (image = 'pager', append = 'region=8 rate=1') => {
  const name = `p${processes++}`;
  return {
    vmId: '11111111-1111-4111-8111-111111111111',
    vcpus: 1,
    memoryMiB: 64,
    kernel: join(root, `guests/${image}.elf`),
    append: image === 'pager' ? `${append} beat=100` : append,
    nics: [],
    disks: [],
    folder: join(dir, name),
    runtimeFolder: join(runtimeFolderFor(dir, 'some-vm/qmp.sock'), name),
    devices: STANDARD_DEVICES as readonly StandardDevice[],
    incoming: false,
  };
};

const eventually = (probe: () => Promise<void>) => vi.waitFor(probe, { timeout: 90_000, interval: 20 });

async function start(driver: Hypervisor, spec = specOf()): Promise<VmProcess> {
  const process = await driver.connect(await driver.launch(spec), 60_000);
  onTestFinished(async () => {
    process.kill();
    await process.ended;
  });
  return process;
}

/** Number of the last heartbeat on its console. */
async function lastBeat({ handle }: VmProcess): Promise<number> {
  const text = await readConsoleTail(handle.consoleLog, 4096);
  expect(text).not.toContain('ERROR');
  return Number([...text.matchAll(/pager seq=(\d+) /g)].at(-1)?.[1] ?? -1);
}
const expectBeat = (process: VmProcess, beyond: number) =>
  eventually(async () => expect(await lastBeat(process)).toBeGreaterThan(beyond));

const order = (migrationId: string) => ({
  migrationId,
  epoch: 2,
  downtimeLimitMs: 300,
  bandwidthMiBps: null,
  tls: null,
});

describe.each(drivers)('driver %s', (_name, driver, loadError) => {
  test('starts a process that waits, outlives its connection, and tells how it ended', async () => {
    const spec = specOf('hello', 'exit=7');
    const handle = await driver.launch(spec);
    const first = await driver.connect(handle, 60_000);
    expect(await first.runState()).toEqual({ isRunning: false, status: 'prelaunch' });
    first.release();
    expect(await driver.find(spec)).toEqual(handle);

    const again = await driver.connect(handle, 60_000);
    await again.cont();
    expect(await again.ended).toMatchObject({ exitCode: 7, signal: null, byGuest: true });
    expect(driver.isAlive(handle)).toBe(false);
    expect(await driver.find(spec)).toBeNull();
    expect(await readConsoleTail(handle.consoleLog, 4096)).toContain('hello from hart 0');
    await expect(again.runState()).rejects.toThrow(/QMP/);
  });

  test.each([[[]], [['balloon', 'guest_agent']]] as const)(
    'asks a process which devices it has: %j',
    async (devices) => {
      const process = await start(driver, { ...specOf(), devices });
      expect(await process.devices()).toEqual(devices);
    },
  );

  test('ends a process that does not want to, and one in order', async () => {
    const stubborn = await driver.connect(await driver.launch(specOf()), 60_000);
    stubborn.kill();
    expect(await stubborn.ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', byGuest: false });

    const orderly = await driver.connect(await driver.launch(specOf()), 60_000);
    await orderly.cont();
    expect(await orderly.powerdown()).toBe(false); // these boards have no power button
    await orderly.quit();
    expect(await orderly.ended).toMatchObject({ exitCode: 0, signal: null, byGuest: false });
  });

  test('says in one line why a process did not start', async () => {
    const handle: VmHandle = await driver.launch({ ...specOf(), kernel: join(dir, 'missing.elf') });
    await expect(driver.connect(handle, 60_000)).rejects.toThrow(loadError);
    expect(readFileSync(handle.log, 'utf8')).toContain(driver.lastLogLine(handle));
  });

  test('stops a guest and lets it go on, measures what it writes; nothing that is typed ends the process', async () => {
    const process = await start(driver, specOf('pager', 'region=8 rate=max'));
    await process.cont();
    await eventually(async () => expect(await process.dirtyRateMiBps()).toBeGreaterThan(0));
    await process.stop();
    expect(await process.runState()).toEqual({ isRunning: false, status: 'paused' });
    const beat = await lastBeat(process);
    writeConsole(process.handle.consoleInput, '\x03\x01x');
    await process.cont();
    await expectBeat(process, beat);
    const { offset, text } = await readConsole(process.handle.consoleLog, 0, 2 ** 20);
    expect([offset, text]).toEqual([0, expect.stringContaining('pager seq=1 ')]);
  });

  test('moves a guest encrypted, to the host that was meant and to no other', async () => {
    const [authority, another] = await Promise.all([createAuthority(new Date()), createAuthority(new Date())]);
    const [here, there, stranger] = await Promise.all([
      credentialsOf(authority, 'host-a'),
      credentialsOf(authority, 'host-b'),
      credentialsOf(another, 'host-b'),
    ]);
    const source = await start(driver, specOf('pager', 'region=8 rate=1'));
    await source.cont();
    await expectBeat(source, 0);
    const attempt = async (migrationId: string, tls: MigrateOptions['tls'], status: string) => {
      const destination = await start(driver, { ...specOf(), incoming: true });
      const uri = `tcp:127.0.0.1:${await destination.listen('127.0.0.1', 2, there)}`;
      await source.migrate({ ...order(migrationId), uri, tls }).catch(() => undefined);
      await eventually(async () => expect(await source.queryMigration()).toMatchObject({ migrationId, status }));
      return destination;
    };
    await attempt('plain', null, 'failed');
    await attempt('another-authority', { ...stranger, peer: 'host-b' }, 'failed');
    await attempt('another-host', { ...here, peer: 'host-c' }, 'failed');
    expect((await source.runState()).isRunning).toBe(true);
    const destination = await attempt('meant', { ...here, peer: 'host-b' }, 'completed');
    await destination.finishIncoming();
    await expectBeat(destination, 0);
  });

  test('moves a guest after a failed and a cancelled attempt: it goes on where it was, at one place at a time', async () => {
    const source = await start(driver, specOf('pager', 'region=32 rate=1'));
    await source.cont();
    await expectBeat(source, 0);
    expect(await source.queryMigration()).toBeNull();
    const expectMigration = (migrationId: string, status: string) =>
      eventually(async () => expect(await source.queryMigration()).toMatchObject({ migrationId, status }));

    await source.migrate({ ...order('nowhere'), uri: 'tcp:127.0.0.1:1' }).catch(() => undefined);
    await expectMigration('nowhere', 'failed');
    expect((await source.queryMigration())!.error!.message).toMatch(/refused/i);

    const vain = await start(driver, { ...specOf(), incoming: true });
    const vainUri = `tcp:127.0.0.1:${await vain.listen('127.0.0.1', 2, null)}`;
    await source.migrate({ ...order('slow'), uri: vainUri, bandwidthMiBps: 1 });
    await expectMigration('slow', 'active');
    await source.setMigrationLimits({ bandwidthMiBps: 2, downtimeLimitMs: 50 });
    expect((await vain.queryIncoming()).status).toBe('waiting');
    await source.cancelMigration();
    await expectMigration('slow', 'cancelled');
    expect((await source.runState()).isRunning).toBe(true);

    const destination = await start(driver, { ...specOf(), incoming: true });
    const uri = `tcp:127.0.0.1:${await destination.listen('127.0.0.1', 3, null)}`;
    await source.migrate({ ...order('swift'), epoch: 3, uri });
    await expectMigration('swift', 'completed');
    const { isConfirmed, transferredBytes, downtimeMs, iterations } = (await source.queryMigration())!;
    expect(transferredBytes).toBeGreaterThan(2 ** 20);
    expect(downtimeMs).toBeGreaterThanOrEqual(0);
    expect(iterations[0]).toMatchObject({ iteration: 1, pages: expect.any(Number) });
    expect(iterations[0]!.pages).toBeGreaterThan(256);
    expect(await source.runState()).toEqual({ isRunning: false, status: 'postmigrate' });
    if (!isConfirmed) expect((await destination.queryIncoming()).status).toBe('loaded');
    await destination.finishIncoming();
    await destination.finishIncoming(); // a repeated order changes nothing
    expect((await destination.queryIncoming()).status).toBe('running');
    expect(await destination.runState()).toEqual({ isRunning: true, status: 'running' });
    await expectBeat(destination, await lastBeat(source));
    expect(await destination.queryMigration()).toBeNull();
  });
});
