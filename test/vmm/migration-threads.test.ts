/** What becomes of a VM when the thread of its migration fails. */
import { expect, test, vi } from 'vitest';
import { DEFAULT_PARAMETERS, nothingYet, type IncomingFigures, type MigrationFigures } from '#migration';
import { QmpServer } from '#qmp';
import { bitmapWords, dropPages, GuestMemory, type Machine } from '#vmm';
import { Arrival } from '../../apps/vmm/migration-incoming.js';
import { OutgoingMigration } from '../../apps/vmm/migration-outgoing.js';
import { Vm } from '../../apps/vmm/vm.js';

const nothing = () => undefined;
const NO_HOST = {
  exit: nothing,
  log: nothing,
  disks: { lock: nothing, check: async () => undefined, release: async () => undefined },
};

/** A running VM whose harts park when the test says so. */
function slowVm({ incoming } = { incoming: false }) {
  let park!: () => void;
  let begun = 0;
  const parked = new Promise<void>((resolve) => (park = resolve));
  const memory = GuestMemory.create(2 ** 20, 1);
  const cont = () => void (begun += 1);
  const pages = { request: nothing };
  const machine = { memory, pages, cont, stop: () => parked, restoreState: nothing } as unknown as Machine;
  const qmp = new QmpServer({
    version: { qemu: { major: 0, minor: 0, micro: 0 }, package: '' },
    events: ['STOP', 'RESUME', 'MIGRATION'],
    now: Date.now,
    onInternalError: () => undefined,
  });
  const vm = new Vm(machine, qmp, {}, { incoming, startStopped: !incoming, epoch: 1 }, NO_HOST);
  if (!incoming) vm.resume();
  return { vm, qmp, park, begun: () => begun };
}

/** There is no thread's program beside the sources, so its thread fails at once. */
function stillborn(vm: Vm, qmp: QmpServer, letGo = new Int32Array(new SharedArrayBuffer(4))): OutgoingMigration {
  const role = {
    kind: 'outgoing',
    address: { path: '/nowhere' },
    migrationId: 'm',
    epoch: 2,
    parameters: DEFAULT_PARAMETERS,
    postcopy: false,
    tls: null,
    channels: 0,
    letGo,
  } as const;
  const codecModule = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const task = { memory: vm.machine.memory.memory, codecModule, boardVersion: 1, role };
  const options = { migrationId: 'm', mirrors: [], unplugMs: 1, letGo, task: () => task };
  return new OutgoingMigration({ qmp, vm, log: nothing, failoverPairs: [] }, options);
}

test('a VM that is still being paused is not taken for stopped', async () => {
  const { vm, qmp, park } = slowVm();
  const migration = stillborn(vm, qmp);
  const pausing = vm.stop();
  let isHeld = false;
  const holding = migration['stop']().then((answer) => {
    isHeld = true;
    return answer;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(vm.runState).toBe('finish-migrate');
  expect(isHeld).toBe(false);
  park();
  await pausing;
  expect(await holding).toEqual({ running: false });
});

test('a migration whose thread never came to life has failed, and the VM runs on', async () => {
  const { vm, qmp } = slowVm();
  const migration = stillborn(vm, qmp);
  await vi.waitFor(() => expect(migration.isOver).toBe(true), { timeout: 90_000 });
  expect(migration.describe()).toMatchObject({ status: 'failed', 'error-desc': expect.stringContaining('thread') });
  expect(vm.runState).toBe('running');
});

test.each([
  ['before it lets go of the guest: that goes on here', 0, 'running', 'failed'],
  ['after it: the guest may be there, and never goes on here', 1, 'postmigrate', 'completed'],
])('a thread that fails while the guest is stopped, %s', async (_, letGo, runState, status) => {
  const { vm, qmp, park } = slowVm();
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const migration = stillborn(vm, qmp, shared);
  migration['hear']({ status: 'device', dirtySyncs: 0 } as MigrationFigures);
  const stopped = migration['stop']();
  Atomics.store(shared, 0, letGo);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(vm.runState).toBe('finish-migrate'); // its harts are still parking
  park();
  await stopped;
  await vi.waitFor(() => expect(migration.isOver).toBe(true), { timeout: 90_000 });
  expect(migration.figures).toMatchObject({
    status,
    error: { code: 'machine', message: expect.stringContaining('thread') },
  });
  expect(vm.runState).toBe(runState);
});

/** A wait for a VM whose thread fails at once, when the migration had come as far as `status`. */
function doomedArrival({ vm, qmp }: ReturnType<typeof slowVm>, status: IncomingFigures['status']) {
  const role = { kind: 'incoming', address: { path: '/nowhere' }, epoch: 1, recoverMs: 1, pageMs: 1 } as const;
  const codecModule = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const { memory } = vm.machine.memory;
  const told: string[] = [];
  const failures: string[] = [];
  const hear = (message: string) => told.push(message);
  const arrival = new Arrival(
    qmp,
    vm,
    { memory, codecModule, boardVersion: 1, role: { ...role, checkpoint: null, tls: null } },
    { onStart: nothing, onStranger: hear, onRefused: hear, onFailure: (message) => failures.push(message) },
  );
  arrival.bound = role.address;
  arrival.figures = { ...nothingYet(2), status };
  return { arrival, told, failures };
}

test.each([
  ['with pages still to come: it is lost, and that is said', 'postcopy', 'internal-error', 'failed'],
  ['in full: it runs on', 'running', 'running', 'running'],
] as const)('a thread that fails where the guest has arrived, %s', async (_, before, runState, after) => {
  const slow = slowVm();
  slow.park();
  const { arrival, told } = doomedArrival(slow, before);
  await vi.waitFor(() => expect(told).toEqual([expect.stringContaining('thread failed')]), { timeout: 90_000 });
  await vi.waitFor(() => expect(slow.vm.runState).toBe(runState), { timeout: 90_000 });
  expect(arrival.figures.status).toBe(after);
});

test.each([
  ['ran: it runs here as soon as somebody knows that its source has let go', true, 'running'],
  ['was paused: it is this process’s, and stays paused', false, 'paused'],
])(
  'a thread that fails when a guest is here in full, but not COMMIT, and the guest %s',
  async (_, running, runState) => {
    const slow = slowVm({ incoming: true });
    const { arrival, told, failures } = doomedArrival(slow, 'loaded');
    await arrival['servant'].restoreState({ state: new Uint8Array(), running });
    await vi.waitFor(() => expect(told).toEqual([expect.stringContaining('thread failed')]), { timeout: 90_000 });
    expect(arrival.figures).toMatchObject({ status: 'loaded', isConnected: false, error: { code: 'machine' } });
    expect([slow.vm.runState, failures]).toEqual(['inmigrate', []]);
    await expect(arrival.recover({ path: '/nowhere' })).rejects.toThrow('no pause to recover from');
    await arrival.finish();
    await arrival.finish();
    expect([slow.vm.runState, slow.vm.epoch, arrival.figures.status]).toEqual([runState, 2, 'running']);
  },
);

test('the same with the order to finish, or COMMIT, on its way: the guest begins once', async () => {
  const slow = slowVm({ incoming: true });
  const { arrival } = doomedArrival(slow, 'loaded');
  await arrival['servant'].restoreState({ state: new Uint8Array(), running: true });
  await arrival.finish();
  expect([slow.vm.runState, arrival.figures.status]).toEqual(['running', 'running']);

  const committed = slowVm({ incoming: true });
  const other = doomedArrival(committed, 'loaded');
  await other.arrival['servant'].restoreState({ state: new Uint8Array(), running: true });
  await other.arrival['servant'].start(true);
  await vi.waitFor(() => expect(other.arrival.figures.status).toBe('running'), { timeout: 90_000 });
  expect(committed.begun()).toBe(1);
});

test('a thread that fails before everything is here, or with pages still to come, takes the migration along', async () => {
  const early = slowVm({ incoming: true });
  const late = slowVm({ incoming: true });
  dropPages(late.vm.machine.memory, new Uint32Array(bitmapWords(late.vm.machine.memory)).fill(1));
  for (const { arrival, failures } of [doomedArrival(early, 'active'), doomedArrival(late, 'loaded')]) {
    await vi.waitFor(() => expect(failures).toEqual([expect.stringContaining('thread failed')]), { timeout: 90_000 });
    expect(arrival.figures.status).toBe('failed');
    await expect(arrival.finish()).rejects.toThrow('has failed');
  }
});
