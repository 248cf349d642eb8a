/** What becomes of a VM when the thread of its migration fails. */
import { expect, test, vi } from 'vitest';
import { DEFAULT_PARAMETERS, nothingYet, type MigrationFigures } from '#migration';
import { QmpServer } from '#qmp';
import { GuestMemory, type Machine } from '#vmm';
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
function slowVm() {
  let park!: () => void;
  const parked = new Promise<void>((resolve) => (park = resolve));
  const memory = GuestMemory.create(2 ** 20, 1);
  const machine = { memory, cont: () => undefined, stop: () => parked } as unknown as Machine;
  const qmp = new QmpServer({
    version: { qemu: { major: 0, minor: 0, micro: 0 }, package: '' },
    events: ['STOP', 'RESUME', 'MIGRATION'],
    now: Date.now,
    onInternalError: () => undefined,
  });
  const vm = new Vm(machine, qmp, {}, { incoming: false, startStopped: true, epoch: 1 }, NO_HOST);
  vm.resume();
  return { vm, qmp, park };
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
  await vi.waitFor(() => expect(migration.isOver).toBe(true), { timeout: 10_000 });
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
  await vi.waitFor(() => expect(migration.isOver).toBe(true), { timeout: 10_000 });
  expect(migration.figures).toMatchObject({
    status,
    error: { code: 'machine', message: expect.stringContaining('thread') },
  });
  expect(vm.runState).toBe(runState);
});

test.each([
  ['with pages still to come: it is lost, and that is said', 'postcopy', 'internal-error', 'failed'],
  ['in full: it runs on', 'running', 'running', 'running'],
] as const)('a thread that fails where the guest has arrived, %s', async (_, before, runState, after) => {
  const { vm, qmp, park } = slowVm();
  park();
  const role = { kind: 'incoming', address: { path: '/nowhere' }, epoch: 1, recoverMs: 1, pageMs: 1 } as const;
  const codecModule = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const { memory } = GuestMemory.create(2 ** 20, 1);
  const told: string[] = [];
  const hear = (message: string) => told.push(message);
  const arrival = new Arrival(
    qmp,
    vm,
    { memory, codecModule, boardVersion: 1, role: { ...role, checkpoint: null, tls: null } },
    { onStart: nothing, onStranger: hear, onRefused: hear, onFailure: hear },
  );
  arrival.bound = role.address;
  arrival.figures = { ...nothingYet(1), status: before };
  await vi.waitFor(() => expect(told).toEqual([expect.stringContaining('thread failed')]), { timeout: 10_000 });
  await vi.waitFor(() => expect(vm.runState).toBe(runState), { timeout: 10_000 });
  expect(arrival.figures.status).toBe(after);
});
