/** What keeps a VM's process apart, seen on a real one. What this machine does not offer is skipped, and says why. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Isolation, runtimeFolderFor, STANDARD_DEVICES, VmmDriver } from '#hypervisor';
import { confinedCommand } from '../../libs/hypervisor/isolation/confinement.js';
import { look } from '../../libs/hypervisor/isolation/file-view.js';

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'dist/apps/vmm/main.js');
const dir = mkdtempSync(join(tmpdir(), "drover it's-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const users = { from: 700_000_000, to: 700_000_999 };
const isolation = await Isolation.probe({ program, users, owner: dir });
const driver = new VmmDriver(program, isolation);
const isInForce = (measure: string) => isolation.measures.find((each) => each.measure === measure)!.inForce;
for (const { measure, inForce, reason } of isolation.measures)
  if (!inForce) console.warn(`${measure} is not tried: ${reason}`);

const specOf = (name: string) => ({
  vmId: '11111111-1111-4111-8111-111111111111',
  vcpus: 1,
  memoryMiB: 32,
  kernel: join(root, 'guests/pager.elf'),
  append: 'region=8 rate=1',
  nics: [],
  disks: [],
  folder: join(dir, 'vms', name),
  runtimeFolder: join(runtimeFolderFor(dir, 'some-vm/qmp.sock'), name),
  devices: STANDARD_DEVICES,
  incoming: false,
});

async function start(name: string) {
  const handle = await driver.launch(specOf(name));
  const process = await driver.connect(handle, 60_000);
  onTestFinished(async () => {
    process.kill();
    await process.ended;
  });
  await process.cont();
  const status = readFileSync(`/proc/${handle.pid}/status`, 'utf8');
  const field = (what: string) => new RegExp(`^${what}:[\\t ]*(.*)$`, 'm').exec(status)![1]!;
  return { handle, process, field };
}

describe('the process of a VM', () => {
  let vm: Awaited<ReturnType<typeof start>>;
  const secret = join(dir, 'secret');
  beforeAll(() => writeFileSync(secret, 'of another', { mode: 0o644 }));

  test('runs its guest and is found again', async () => {
    vm = await start('a');
    await vi.waitFor(() => expect(readFileSync(vm.handle.consoleLog, 'utf8')).toContain('pager seq='), 90_000);
    expect(await driver.find(specOf('a'))).toEqual(vm.handle);
    const again = new VmmDriver(program, isolation);
    const adopted = await again.connect((await again.find(specOf('a')))!, 60_000);
    expect(await adopted.runState()).toEqual({ isRunning: true, status: 'running' });
    adopted.release();
    await vm.process.quit();
    expect(await vm.process.ended).toMatchObject({ exitCode: 0 });
  });

  test.skipIf(!isInForce('own_user'))('is a user of its own, without rights', async () => {
    const { field, handle } = await start('b');
    const uid = isolation.userOf(specOf('b').vmId)!;
    expect(uid).toBeGreaterThanOrEqual(users.from);
    expect(uid).toBeLessThanOrEqual(users.to);
    expect(field('Uid')).toBe([uid, uid, uid, uid].join('\t'));
    expect([field('Groups'), field('CapEff'), field('CapBnd')]).toEqual(['', '0000000000000000', '0000000000000000']);
    expect(statSync(handle.qmpSocket).uid).toBe(uid);
    expect(isolation.userOf('22222222-2222-4222-8222-222222222222')).not.toBe(uid);
  });

  test.skipIf(!isInForce('no_new_privileges'))('can gain no rights', async () => {
    expect((await start('c')).field('NoNewPrivs')).toBe('1');
  });

  test.skipIf(!isInForce('system_calls'))('has the system calls of a VMM', async () => {
    expect((await start('d')).field('Seccomp')).toBe('2');
  });

  test.skipIf(!isInForce('own_files'))('sees its own files and no others', async () => {
    const { handle } = await start('e');
    const sees = (path: string) => existsSync(`/proc/${handle.pid}/root${path}`);
    const spec = specOf('e');
    const own = [spec.kernel, program, handle.qmpSocket, handle.agentSocket!, join(spec.folder, 'checkpoint')];
    expect(own.filter((path) => !sees(path))).toEqual([]);
    const others = [secret, '/etc/passwd', handle.log, handle.consoleLog, join(root, 'README.md')];
    expect(others.filter(sees)).toEqual([]);
  });

  test.skipIf(!isInForce('limits'))('has limits, which go when it goes', async () => {
    const { handle, process } = await start('f');
    const groups = readFileSync(`/proc/${handle.pid}/cgroup`, 'utf8');
    const [, group] = /^\d+:(?:memory)?:(\/drover\/[0-9a-f]{8}-f)$/m.exec(groups)!;
    const [folder, file] = existsSync(`/sys/fs/cgroup${group}`)
      ? [`/sys/fs/cgroup${group}`, 'memory.max']
      : [`/sys/fs/cgroup/memory${group}`, 'memory.limit_in_bytes'];
    expect(Number(readFileSync(join(folder, file), 'utf8'))).toBe((32 + 384 + 96) * 2 ** 20);
    process.kill();
    await process.ended;
    await vi.waitFor(() => expect(existsSync(folder)).toBe(false));
  });
});

test.skipIf(!isInForce('own_files'))('files are shown for reading or for writing, whatever their names', () => {
  const names = ['plain', 'with space', "it's", 'back\\slash', '$(echo x)'];
  const folder = join(dir, 'odd');
  mkdirSync(join(folder, 'root'), { recursive: true });
  const paths = names.map((name) => join(folder, name));
  for (const path of paths) writeFileSync(path, 'before');
  const system = ['/usr', '/bin', '/lib', '/lib64']
    .filter((path) => existsSync(path))
    .map((path) => look(path, 'read'));
  const shown = [...system, ...paths.map((path, index) => look(path, index % 2 === 0 ? 'read' : 'write'))];
  const confinement = { files: { root: join(folder, 'root'), shown, asUser: process.getuid!() !== 0 }, groups: [] };
  const attempt = 'for file; do (echo after > "$file") || true; done; ls -A / "$(dirname "$1")"';
  const [file, ...args] = confinedCommand(confinement, ['/bin/sh', '-c', attempt, 'sh', ...paths]);
  const seen = execFileSync(file!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  expect(
    seen
      .split('\n')
      .filter((name) => names.includes(name))
      .toSorted(),
  ).toEqual(names.toSorted());
  expect(seen).not.toContain('home');
  const written = paths.map((path) => readFileSync(path, 'utf8'));
  expect(written).toEqual(['before', 'after\n', 'before', 'after\n', 'before']);
});
