/** Live migration between VMM processes, of a guest that checks its own memory. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { COMMIT, cuttingProxy, LOADED, type Cut } from '../migration/cutting-proxy.js';
import {
  EVENTUALLY,
  expectGuestGoesOn,
  migrationEnd,
  migrationWhen,
  move,
  queryMigrate,
  ramHash,
  runState,
  setParameters,
  startDestination,
  startGuest,
  uriOf,
  type Running,
} from './pager-migration.js';

const MIB = 2 ** 20;

test('four moves of a guest that writes all the time: no wrong page, one console', { timeout: 600_000 }, async () => {
  const processes = [await startGuest('max')];
  for (let moves = 1; moves <= 4; moves++) {
    const source = processes.at(-1)!;
    const stays = moves % 2 === 0; // every second arrival waits, so that both ends can be compared
    const destination = await startDestination(stays ? ['-S'] : []);
    const end = await move(source, destination);
    expect(end).toMatchObject({ status: 'completed', 'x-drover': { confirmed: true } });
    expect(await runState(source)).toBe('postmigrate');
    await expect(source.qmp.execute('cont')).rejects.toThrow('postmigrate');
    if (stays) {
      expect(await ramHash(destination)).toBe(await ramHash(source));
      await destination.qmp.execute('cont');
    }
    await source.qmp.execute('quit');
    processes.push(destination);
  }
  await expectGuestGoesOn(processes.at(-1)!);

  const console = processes.map(({ vmm }) => vmm.printed()).join('');
  expect(console).not.toContain('ERROR');
  const beats = [...console.matchAll(/^pager seq=(\d+) time_ms=(\d+) .*$/gm)];
  expect(beats.map(([, seq]) => Number(seq))).toEqual(beats.map((_, index) => index + 1));
  const times = beats.map(([, , ms]) => Number(ms));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

test('what QEMU tells of a migration, this tells as well', async () => {
  const source = await startGuest(4);
  const destination = await startDestination();
  const events: string[] = [];
  source.qmp.onEvent(({ event, data }) => events.push(`${event} ${String(data?.status ?? data?.pass ?? '')}`.trim()));
  const arrived = destination.qmp.nextEvent('RESUME');
  const end = await move(source, destination);
  await arrived;
  expect(end).toMatchObject({
    status: 'completed',
    downtime: expect.any(Number),
    'total-time': expect.any(Number),
    'setup-time': expect.any(Number),
    ram: {
      total: 64 * MIB,
      remaining: 0,
      transferred: expect.any(Number),
      duplicate: expect.any(Number),
      normal: expect.any(Number),
      'page-size': 4096,
      mbps: expect.any(Number),
    },
    'x-drover': { confirmed: true, downtimeBreakdown: { stopMs: expect.any(Number), resumeMs: expect.any(Number) } },
  });
  expect(events).toEqual([
    'MIGRATION setup',
    'MIGRATION active',
    ...events.filter((event) => event.startsWith('MIGRATION_PASS')),
    'STOP',
    'MIGRATION device',
    'MIGRATION completed',
  ]);
  expect(await queryMigrate(destination)).toMatchObject({ status: 'completed' });
  expect(await destination.qmp.execute('x-drover-stats')).toMatchObject({ epoch: 2 });
  expect(await destination.qmp.execute('x-drover-migrate-finish')).toEqual({});
});

test('over a Unix socket, to a process that was told later where to listen', async () => {
  const source = await startGuest(1);
  const destination = await startDestination(['-incoming', 'defer']);
  const uri = `unix:${join(destination.vmm.folder, 'migration')}`;
  expect(await destination.qmp.execute('query-migrate')).toEqual({});
  await destination.qmp.execute('migrate-incoming', { uri });
  await expect(destination.qmp.execute('migrate-incoming', { uri })).rejects.toThrow('already');
  await source.qmp.execute('migrate', { uri });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
  await expectGuestGoesOn(destination);
});

test('a guest that writes faster than the downtime limit allows is copied on and on, until the limit is raised', async () => {
  const source = await startGuest('max');
  const destination = await startDestination();
  await setParameters(source, { 'downtime-limit': 1, 'max-bandwidth': 64 * MIB });
  await source.qmp.execute('migrate', { uri: await uriOf(destination) });
  const going = await migrationWhen(source, ({ ram }) => (ram?.['dirty-sync-count'] ?? 0) > 3);
  expect(going.status).toBe('active');
  await expectGuestGoesOn(source);
  await setParameters(source, { 'downtime-limit': 2000, 'max-bandwidth': 0 });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
  await expectGuestGoesOn(destination);
});

test('the bandwidth limit holds, and can be lifted in flight', async () => {
  const source = await startGuest(1);
  const destination = await startDestination();
  await setParameters(source, { 'max-bandwidth': 2 * MIB });
  const uri = await uriOf(destination);
  const beganMs = performance.now();
  await source.qmp.execute('migrate', { uri });
  const { ram, status } = await migrationWhen(source, (answer) => answer.ram?.transferred > 6 * MIB);
  const seconds = (performance.now() - beganMs) / 1000;
  expect(status).toBe('active');
  expect(ram.transferred).toBeLessThan((2 * seconds + 5) * MIB); // a batch and a burst ahead
  await setParameters(source, { 'max-bandwidth': 0 });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
});

describe('cancelled, the guest goes on at the source', () => {
  test('while the other side says nothing', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void mute.close());
    await vi.waitFor(() => expect(mute.listening).toBe(true), EVENTUALLY);
    const source = await startGuest(1);
    await source.qmp.execute('migrate', { uri: `tcp:127.0.0.1:${(mute.address() as AddressInfo).port}` });
    await source.qmp.execute('migrate_cancel');
    expect(await migrationEnd(source)).toMatchObject({ status: 'cancelled' });
    await expectGuestGoesOn(source);
  });

  test('in the middle of a pass', async () => {
    const source = await startGuest(1);
    const destination = await startDestination();
    await setParameters(source, { 'max-bandwidth': 4 * MIB });
    await source.qmp.execute('migrate', { uri: await uriOf(destination) });
    await migrationWhen(source, ({ ram }) => ram?.transferred > MIB);
    await source.qmp.execute('migrate_cancel');
    expect(await migrationEnd(source)).toMatchObject({ status: 'cancelled' });
    expect(await destination.vmm.ended).toBe(1);
    expect(destination.vmm.stderr).toContain('cancelled by request');
    await expectGuestGoesOn(source);
  });

  test('while the destination takes nothing, and the VM can be moved elsewhere', async () => {
    const source = await startGuest(1);
    const frozen = await startDestination();
    await setParameters(source, { 'max-bandwidth': 4 * MIB });
    await source.qmp.execute('migrate', { uri: await uriOf(frozen) });
    await migrationWhen(source, ({ ram }) => ram?.transferred > MIB);
    frozen.vmm.kill('SIGSTOP');
    await setParameters(source, { 'max-bandwidth': 0 });
    await source.qmp.execute('migrate_cancel');
    expect(await migrationEnd(source)).toMatchObject({ status: 'cancelled' });
    const destination = await startDestination();
    expect(await move(source, destination)).toMatchObject({ status: 'completed' });
    await expectGuestGoesOn(destination);
  });
});

describe('one end dies', () => {
  test('the destination in mid-pass: the guest goes on at the source', async () => {
    const source = await startGuest(4);
    const destination = await startDestination();
    await setParameters(source, { 'max-bandwidth': 4 * MIB });
    await source.qmp.execute('migrate', { uri: await uriOf(destination) });
    await migrationWhen(source, ({ ram }) => ram?.transferred > MIB);
    destination.vmm.kill('SIGKILL');
    const end = await migrationEnd(source);
    expect(end).toMatchObject({
      status: 'failed',
      'error-desc': expect.stringContaining('connection to the destination'),
    });
    await expectGuestGoesOn(source);
  });

  test('the source in mid-pass: the destination ends and says why', async () => {
    const source = await startGuest(4);
    const destination = await startDestination();
    await setParameters(source, { 'max-bandwidth': 4 * MIB });
    await source.qmp.execute('migrate', { uri: await uriOf(destination) });
    await migrationWhen(source, ({ ram }) => ram?.transferred > MIB);
    source.vmm.kill('SIGKILL');
    expect(await destination.vmm.ended).toBe(1);
    expect(destination.vmm.stderr).toMatch(/-incoming: the migration failed: connection to the source lost/);
  });
});

describe('the network fails around the point of no return', () => {
  async function moveThrough(cut: Cut) {
    const source = await startGuest(1);
    const destination = await startDestination();
    await uriOf(destination);
    const { port } = (await queryMigrate(destination))['socket-address']![0]!;
    await source.qmp.execute('migrate', { uri: await cuttingProxy(Number(port), cut) });
    return { source, destination, end: await migrationEnd(source) };
  }

  /** Nothing runs at the destination, until somebody who knows says so. */
  async function expectToWait(destination: Running): Promise<void> {
    const waits = { status: 'device', 'x-drover-incoming': { status: 'loaded', isConnected: false } };
    await vi.waitFor(async () => expect(await queryMigrate(destination)).toMatchObject(waits), EVENTUALLY);
    expect(await runState(destination)).toBe('inmigrate');
    expect(destination.vmm.printed()).toBe('');
  }

  test('before it: the guest goes on at the source, the destination waits to be told and can be given up', async () => {
    const { source, destination, end } = await moveThrough({ frame: LOADED, from: 'destination', arrives: false });
    expect(end).toMatchObject({ status: 'failed' });
    await expectToWait(destination);
    await expectGuestGoesOn(source);
    await destination.qmp.execute('quit');
    expect(await destination.vmm.ended).toBe(0);
  });

  test('at it: the source never goes on, and the destination does when it is told', async () => {
    const { source, destination, end } = await moveThrough({ frame: COMMIT, from: 'source', arrives: false });
    expect(end).toMatchObject({ status: 'completed', 'x-drover': { confirmed: false } });
    expect(await runState(source)).toBe('postmigrate');
    await expectToWait(destination);
    expect(await destination.qmp.execute('x-drover-migrate-finish')).toEqual({});
    expect(await destination.qmp.execute('x-drover-migrate-finish')).toEqual({});
    await expectGuestGoesOn(destination);
  });

  test('after it: the guest goes on at the destination, and the source says that it does not know', async () => {
    const { source, destination, end } = await moveThrough({ frame: COMMIT, from: 'source', arrives: true });
    expect(end).toMatchObject({ status: 'completed' });
    expect(await runState(source)).toBe('postmigrate');
    await vi.waitFor(async () => expect(await runState(destination)).toBe('running'), EVENTUALLY);
    await expectGuestGoesOn(destination);
  });
});

describe('callers who get it wrong', () => {
  test('garbage on the migration port is refused and named, and the VM still arrives', async () => {
    const destination = await startDestination();
    const { port } = (await queryMigrate(destination))['socket-address']![0]!;
    const vandal = connect(Number(port), '127.0.0.1');
    vandal.on('error', () => undefined).end('GET / HTTP/1.1\r\n\r\n');
    await vi.waitFor(() => expect(destination.vmm.stderr).toContain('"GET / HT"'), EVENTUALLY);
    const source = await startGuest(1);
    expect(await move(source, destination)).toMatchObject({ status: 'completed' });
  });

  test('a destination that is something else, or nothing', async () => {
    const source = await startGuest(1);
    await source.qmp.execute('migrate', { uri: `unix:${source.vmm.qmp}` });
    expect((await migrationEnd(source))['error-desc']).toContain(
      'not a Drover migration stream: it begins with "{"QMP":{"',
    );
    await source.qmp.execute('migrate', { uri: 'unix:/no/such/socket' });
    expect((await migrationEnd(source))['error-desc']).toContain('ENOENT');
    await expect(source.qmp.execute('migrate', { uri: 'exec:cat' })).rejects.toThrow('tcp:HOST:PORT');
    await expectGuestGoesOn(source);
  });

  test('another machine: both ends say what differs; one that defers can wait again', async () => {
    const source = await startGuest(1);
    const destination = await startDestination(['-incoming', 'defer'], ['-m', '32M', '-smp', '2']);
    await destination.qmp.execute('migrate-incoming', { uri: 'tcp:127.0.0.1:0' });
    const end = await move(source, destination);
    expect(end['error-desc']).toContain(`ramBytes is ${64 * MIB} at the source and ${32 * MIB} here`);
    expect(await queryMigrate(destination)).toMatchObject({ status: 'failed' });
    await destination.qmp.execute('migrate-incoming', { uri: 'tcp:127.0.0.1:0' });
    expect(await queryMigrate(destination)).toMatchObject({ status: 'setup' });
  });

  test('an epoch that is not newer is refused at either end', async () => {
    const source = await startGuest(1, ['-x-drover-epoch', '3']);
    const destination = await startDestination(['-x-drover-epoch', '4']);
    const uri = await uriOf(destination);
    await expect(source.qmp.execute('migrate', { uri, 'x-drover-epoch': 3 })).rejects.toThrow('epoch 3');
    await source.qmp.execute('migrate', { uri, 'x-drover-epoch': 4 });
    expect((await migrationEnd(source))['error-desc']).toContain('epoch 4 is known here already');
    expect(await destination.vmm.ended).toBe(1);
    await expectGuestGoesOn(source);
  });

  test('parameters and capabilities', async () => {
    const { qmp } = await startDestination(['-incoming', 'defer']);
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 5, 'downtime-limit': 7 });
    expect(await qmp.execute('query-migrate-parameters')).toMatchObject({ 'max-bandwidth': 5, 'downtime-limit': 7 });
    await expect(qmp.execute('migrate-set-parameters', { 'downtime-limit': -1 })).rejects.toThrow('downtime-limit');
    const set = (capability: string, state: boolean) =>
      qmp.execute('migrate-set-capabilities', { capabilities: [{ capability, state }] });
    expect(await set('rdma-pin-all', false)).toEqual({});
    await expect(set('rdma-pin-all', true)).rejects.toThrow('not implemented');
    await expect(set('teleport', true)).rejects.toThrow('no migration capability');
    expect(await qmp.execute('query-migrate-capabilities')).toContainEqual({ capability: 'events', state: true });
    await expect(qmp.execute('migrate', { uri: 'tcp:127.0.0.1:1' })).rejects.toThrow('inmigrate');
    await expect(qmp.execute('x-drover-migrate-finish')).rejects.toThrow('no migration');
  });
});
