/** Post-copy between VMM processes, of a guest that checks its own memory all the time. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import {
  EVENTUALLY,
  expectGuestGoesOn,
  migrationEnd,
  migrationWhen,
  ramHash,
  runState,
  setCapability,
  setParameters,
  startDestination,
  startPager,
  uriOf,
  type Running,
} from './pager-migration.js';

const MIB = 2 ** 20;
const BUSY = 'region=24 rate=max';
const FOUR_HARTS = ['-m', '64M', '-smp', '4'];

/** A network that can be cut, as often as one likes. */
class Network {
  private readonly sockets = new Set<Socket>();

  private constructor(readonly uri: string) {}

  static async to(uri: string): Promise<Network> {
    const port = Number(/\d+$/.exec(uri)![0]);
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        network.sockets.add(socket);
        socket.setNoDelay(true).pipe(other);
        socket.on('error', () => undefined);
        socket.on('close', () => other.destroy());
      }
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const network = new Network(`tcp:127.0.0.1:${(server.address() as AddressInfo).port}`);
    return network;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }
}

interface Postcopy {
  readonly source: Running;
  readonly destination: Running;
}

/** Source and destination, with post-copy begun after so many passes. */
async function startPostcopy(
  both: Postcopy,
  { passes = 0, bandwidth = 8 * MIB, uri }: { passes?: number; bandwidth?: number; uri?: string } = {},
): Promise<void> {
  const { source, destination } = both;
  await setCapability(source, 'postcopy-ram', true);
  await setParameters(source, { 'max-bandwidth': 32 * MIB, 'max-postcopy-bandwidth': bandwidth, 'downtime-limit': 1 });
  await source.qmp.execute('migrate', { uri: uri ?? (await uriOf(destination)) });
  await migrationWhen(source, ({ ram }) => (ram?.['dirty-sync-count'] ?? 0) >= passes);
  await source.qmp.execute('migrate-start-postcopy');
}

const statusIs = (running: Running, status: string) => migrationWhen(running, (answer) => answer.status === status);

test('a guest that never converges is moved at any moment; what QEMU tells of it, this tells as well', async () => {
  const [source, destination] = await Promise.all([startPager(BUSY), startDestination()]);
  const events: string[] = [];
  const arrivals: string[] = [];
  const note =
    (list: string[]) =>
    ({ event, data }: { event: string; data?: Record<string, unknown> }) => {
      if (event !== 'MIGRATION_PASS') list.push(`${event} ${String(data?.['status'] ?? '')}`.trim());
    };
  source.qmp.onEvent(note(events));
  destination.qmp.onEvent(note(arrivals));
  await startPostcopy({ source, destination }, { passes: 2 });
  expect(await migrationEnd(source)).toMatchObject({
    status: 'completed',
    downtime: expect.any(Number),
    ram: { 'postcopy-requests': expect.any(Number), remaining: 0 },
    'x-drover': { confirmed: true, error: null },
  });
  expect(await runState(source)).toBe('postmigrate');
  const end = await statusIs(destination, 'completed');
  expect(end).toMatchObject({
    'postcopy-blocktime': expect.any(Number),
    'postcopy-vcpu-blocktime': [expect.any(Number), expect.any(Number)],
    'x-drover-incoming': { status: 'running', missingPages: 0 },
  });
  await expectGuestGoesOn(destination);
  expect(events).toEqual([
    ...['MIGRATION setup', 'MIGRATION active', 'STOP', 'MIGRATION device'],
    ...['MIGRATION postcopy-active', 'MIGRATION completed'],
  ]);
  expect(arrivals.filter((each) => !each.startsWith('VSERPORT'))).toEqual([
    ...['MIGRATION active', 'MIGRATION device', 'RESUME', 'MIGRATION postcopy-active', 'MIGRATION completed'],
  ]);
});

test('four harts, started at once; while pages are missing the VM is stopped and goes on, but does not move', async () => {
  const source = await startPager(BUSY, [], FOUR_HARTS);
  const destination = await startDestination([], FOUR_HARTS);
  await startPostcopy({ source, destination }, { bandwidth: 2 * MIB });
  await statusIs(destination, 'postcopy-active');
  await destination.qmp.execute('stop');
  await expect(destination.qmp.execute('x-drover-ram-hash')).rejects.toThrow('still to come');
  await expect(destination.qmp.execute('migrate', { uri: 'tcp:127.0.0.1:9' })).rejects.toThrow('still to come');
  await expect(destination.qmp.execute('system_reset')).rejects.toThrow('still to come');
  await destination.qmp.execute('cont');
  await expect(source.qmp.execute('cont')).rejects.toThrow('finish-migrate');
  await setParameters(source, { 'max-postcopy-bandwidth': 0 });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
  await expectGuestGoesOn(destination);
});

test('a paused VM arrives whole, and only then can be compared', async () => {
  const [source, destination] = await Promise.all([startPager(BUSY), startDestination()]);
  await source.qmp.execute('stop');
  await startPostcopy({ source, destination }, { bandwidth: 0 });
  await migrationEnd(source);
  await statusIs(destination, 'completed');
  expect(await ramHash(destination)).toBe(await ramHash(source));
});

test('recovers from a lost network twice in a row, and from a pause', async () => {
  const [source, destination] = await Promise.all([startPager(BUSY), startDestination()]);
  const network = await Network.to(await uriOf(destination));
  await startPostcopy({ source, destination }, { passes: 1, bandwidth: MIB, uri: network.uri });
  await statusIs(destination, 'postcopy-active');
  for (const loss of [() => network.cut(), () => network.cut(), () => source.qmp.execute('migrate-pause')]) {
    await loss();
    await Promise.all([statusIs(source, 'postcopy-paused'), statusIs(destination, 'postcopy-paused')]);
    await expect(source.qmp.execute('cont')).rejects.toThrow('finish-migrate');
    await destination.qmp.execute('migrate-recover', { uri: 'tcp:127.0.0.1:0' });
    const again = await Network.to(await uriOf(destination));
    Object.assign(network, { cut: () => again.cut() });
    await source.qmp.execute('migrate', { uri: again.uri, resume: true });
    await Promise.all([statusIs(source, 'postcopy-active'), statusIs(destination, 'postcopy-active')]);
  }
  await setParameters(source, { 'max-postcopy-bandwidth': 0 });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed', 'x-drover': { error: null } });
  await expectGuestGoesOn(destination);
});

test('a source that is killed: the guest is lost, and that is said', async () => {
  const [source, destination] = await Promise.all([startPager(BUSY), startDestination()]);
  await setParameters(destination, { 'x-drover-recover-timeout': 1 });
  await startPostcopy({ source, destination }, { bandwidth: MIB });
  await statusIs(destination, 'postcopy-active');
  source.vmm.kill('SIGKILL');
  expect(await statusIs(destination, 'failed')).toMatchObject({
    'error-desc': expect.stringContaining('stayed at its source'),
    'x-drover-incoming': { error: { code: 'source_lost' } },
  });
  expect(await runState(destination)).toBe('internal-error');
  await expect(destination.qmp.execute('cont')).rejects.toThrow('internal-error');
  await destination.qmp.execute('quit');
  expect(await destination.vmm.ended).toBe(0);
});

test('a destination that is killed: the source never goes on, and says that the guest is lost', async () => {
  const [source, destination] = await Promise.all([startPager(BUSY), startDestination()]);
  await setParameters(source, { 'x-drover-recover-timeout': 1 });
  await startPostcopy({ source, destination }, { bandwidth: MIB });
  await statusIs(destination, 'postcopy-active');
  destination.vmm.kill('SIGKILL');
  expect(await migrationEnd(source)).toMatchObject({
    status: 'failed',
    'x-drover': { error: { code: 'destination_lost' } },
  });
  expect(await runState(source)).toBe('postmigrate');
});

test(
  'only what was enabled can be started, paused or recovered',
  async () => {
    const [source, destination] = await Promise.all([startPager('region=1'), startDestination()]);
    await expect(source.qmp.execute('migrate-start-postcopy')).rejects.toThrow('postcopy-ram');
    await setCapability(source, 'postcopy-ram', true);
    await expect(source.qmp.execute('migrate-start-postcopy')).rejects.toThrow('no migration under way');
    await expect(source.qmp.execute('migrate-pause')).rejects.toThrow('no migration under way');
    await expect(destination.qmp.execute('migrate-pause')).rejects.toThrow('only post-copy');
    await expect(destination.qmp.execute('migrate-recover', { uri: 'tcp::0' })).rejects.toThrow('no pause');
    await source.qmp.execute('migrate', { uri: await uriOf(destination) });
    await expect(source.qmp.execute('migrate', { uri: 'tcp::9', resume: true })).rejects.toThrow('migration');
    expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
    await expectGuestGoesOn(destination);
  },
  EVENTUALLY.timeout,
);
