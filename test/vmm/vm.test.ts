import { expect, test, vi } from 'vitest';
import { QmpServer } from '#qmp';
import type { Machine } from '#vmm';
import { Vm } from '../../apps/vmm/vm.js';

const nothing = () => undefined;
const NO_HOST = {
  exit: nothing,
  log: nothing,
  disks: { lock: nothing, check: async () => undefined, release: async () => undefined },
};

/** A VM whose guest asked for a reset that has not come yet: the machine says so again at `cont`. */
function interrupted(incoming: boolean) {
  const reset = vi.fn<() => void>();
  let isWanted = true;
  const machine = {
    memory: { isComplete: true },
    reset: () => {
      isWanted = false;
      reset();
    },
    stop: () => Promise.resolve(),
    cont: () => {
      if (isWanted) asked = vm.guestReset();
    },
  } as unknown as Machine;
  const qmp = new QmpServer({
    version: { qemu: { major: 0, minor: 0, micro: 0 }, package: '' },
    events: ['STOP', 'RESUME', 'RESET'],
    now: Date.now,
    onInternalError: () => undefined,
  });
  const vm: Vm = new Vm(machine, qmp, {}, { incoming, startStopped: true, epoch: 1 }, NO_HOST);
  let asked = Promise.resolve();
  return { vm, reset, asked: () => asked };
}

test('a reset that a migration interrupted comes when the VM goes on at the source', async () => {
  const { vm, reset, asked } = interrupted(false);
  vm.setRunState('finish-migrate');
  vm.resume();
  await asked();
  expect(reset).toHaveBeenCalledOnce();
  expect(vm.runState).toBe('running');
});

test('and when it goes on at the destination', async () => {
  const { vm, reset, asked } = interrupted(true);
  vm.resume();
  await asked();
  expect(reset).toHaveBeenCalledOnce();
  expect(vm.runState).toBe('running');
});
