/** The QMP commands that have to do with the VM itself; those of migrations are registered by their own file. */
import { oneOf, QmpError, type QmpServer } from '#qmp';
import { countDirtiedPages, throttleOf, translatedRegions } from '#vmm';
import { UsageError } from './usage-error.js';
import type { Vm } from './vm.js';
import { WATCHDOG_ACTIONS } from './watchdog-action.js';

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export interface VmmFigures {
  /** Host thread id of a hart. */
  threadId(hart: number): number;
  /** Bytes that the guest has printed since the VMM started. */
  consoleBytes(): number;
}

export function registerCommands(qmp: QmpServer, vm: Vm, figures: VmmFigures): void {
  const { machine } = vm;
  const harts = Array.from({ length: machine.memory.harts }, (_, hart) => hart);

  qmp.register('query-status', {}, () => ({ status: vm.runState, running: vm.runState === 'running' }));
  qmp.register('query-name', {}, () => (vm.identity.name === undefined ? {} : { name: vm.identity.name }));
  qmp.register('query-uuid', {}, () => ({ UUID: vm.identity.uuid ?? NIL_UUID }));
  qmp.register('query-cpus-fast', {}, () =>
    harts.map((hart) => ({
      'cpu-index': hart,
      'qom-path': `/machine/soc0/harts[${hart}]`,
      'thread-id': figures.threadId(hart),
      target: 'riscv64',
      props: { 'core-id': hart },
    })),
  );

  qmp.register('stop', {}, async () => {
    if (vm.runState === 'inmigrate') vm.autostart = false;
    else if (vm.runState === 'running') await vm.stop();
  });
  qmp.register('cont', {}, async () => {
    if (['paused', 'watchdog', 'io-error'].includes(vm.runState)) await machine.stop(); // another client's stop may still be under way
    if (vm.runState === 'inmigrate') vm.autostart = true;
    else if (['prelaunch', 'paused', 'watchdog', 'io-error'].includes(vm.runState)) vm.resume();
    else if (vm.runState !== 'running') throw new QmpError(`a VM that is ${vm.runState} cannot go on`);
  });
  qmp.register('system_reset', {}, async () => {
    try {
      await vm.reset('host-qmp-system-reset');
    } catch (error) {
      throw error instanceof UsageError ? new QmpError(error.message) : error; // the kernel's file may be gone
    }
  });
  qmp.register('system_powerdown', {}, () => vm.powerdown());
  qmp.register('watchdog-set-action', { action: oneOf(...WATCHDOG_ACTIONS) }, ({ action }) => {
    vm.watchdogAction = action;
  });
  qmp.register('quit', {}, () => {
    setImmediate(() => void vm.shutdown('host-qmp-quit')); // after the answer
  });

  /** Figures for an agent's heartbeat. Counters grow from the start of the VMM; rates are the caller's to make. */
  qmp.register('x-drover-stats', {}, () => ({
    harts: harts.map((hart) => ({
      'busy-ns': Number(machine.busyNs(hart)),
      'throttle-percentage': throttleOf(machine.memory, hart),
      'translated-regions': translatedRegions(machine.memory, hart),
    })),
    'dirtied-pages': Number(countDirtiedPages(machine.memory)),
    'time-ms': performance.now(), // when they were counted: the answer may be late
    'ram-bytes': machine.memory.ramBytes,
    'resident-bytes': process.memoryUsage.rss(),
    'console-bytes': figures.consoleBytes(),
    'guest-ns': Number(machine.guestNs),
    epoch: vm.epoch,
  }));
}
