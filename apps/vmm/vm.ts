/** One VM of this process: its machine, its run state, and what the world is told when that changes. */
import { QmpError, type QmpServer } from '#qmp';
import type { Machine } from '#vmm';
import { checkTransition, type RunState } from './run-state.js';
import { MIRROR_EVENTS } from './block/mirror-events.js';
import type { WatchdogAction } from './watchdog-action.js';

/** Why the VM ends or is reset, in QEMU's words (ShutdownCause). */
type Cause = 'host-qmp-quit' | 'host-qmp-system-reset' | 'host-signal' | 'host-ui' | 'guest-shutdown' | 'guest-reset';

/** Events that this VMM sends. */
export const EVENTS = [
  ...['STOP', 'RESUME', 'SHUTDOWN', 'RESET', 'POWERDOWN', 'MIGRATION', 'MIGRATION_PASS'],
  ...['FAILOVER_NEGOTIATED', 'UNPLUG_PRIMARY', 'DEVICE_DELETED'],
  ...['BALLOON_CHANGE', 'BLOCK_EXPORT_DELETED', 'BLOCK_IO_ERROR', ...MIRROR_EVENTS, 'VSERPORT_CHANGE', 'WATCHDOG'],
] as const;

export interface VmIdentity {
  readonly name?: string;
  readonly uuid?: string;
}

/** What this process has of the host for its VM. */
export interface VmHost {
  /** Ends this process. */
  exit(status: number): void;
  /** One line for whoever reads this process's complaints. */
  log(line: string): void;
  /** Files that only one process may use: this one while the VM is here. */
  readonly disks: {
    /** Nothing if they are locked. Throws an Error that says which disk is used by another process. */
    lock(): void;
    /** Nobody else writes them through this process any more. Rejects with an Error as `lock`, but leaves them as they are. */
    check(): Promise<void>;
    /**
     * Stores what was written and lets another process have them; all mirrors end, and those that are named must have
     * been complete. Rejects with an Error if that fails; then they stay locked.
     */
    release(mirrors: readonly string[]): Promise<void>;
  };
}

export class Vm {
  /** In `inmigrate`: whether the VM runs once it has arrived. */
  autostart: boolean;
  /** Grows with each change of the VM's owner. While the VM is yet to come: of its newest owner that is known. */
  epoch: number;
  watchdogAction: WatchdogAction = 'reset';
  private state: RunState;

  constructor(
    readonly machine: Machine,
    readonly qmp: QmpServer,
    readonly identity: VmIdentity,
    begin: { readonly incoming: boolean; readonly startStopped: boolean; readonly epoch: number },
    private readonly host: VmHost,
  ) {
    this.state = begin.incoming ? 'inmigrate' : 'prelaunch';
    this.epoch = begin.epoch;
    this.autostart = !begin.startStopped;
  }

  get runState(): RunState {
    return this.state;
  }

  /** Notes a new run state without touching the machine. Throws if it may not follow the present one. */
  setRunState(to: RunState): void {
    checkTransition(this.state, to);
    this.state = to;
  }

  /**
   * Stops the VM; the new state tells why. Resolves when nothing in it runs, and for `finish-migrate` its disks are there
   * for the destination: `mirrors` are the block jobs that bring them there.
   */
  async stop(
    to: 'paused' | 'watchdog' | 'io-error' | 'finish-migrate' | 'internal-error' = 'paused',
    mirrors: readonly string[] = [],
  ): Promise<void> {
    const wasRunning = this.state === 'running';
    this.setRunState(to);
    await this.machine.stop(); // a VM that is paused already may still be parking its harts
    if (wasRunning) this.qmp.emit('STOP');
    if (to === 'finish-migrate') await this.host.disks.release(mirrors);
  }

  /** Rejects with an Error if the VM that is about to arrive could not have its disks: its source has let go of them. */
  async checkDisks(): Promise<void> {
    await this.host.disks.check();
  }

  /** The VM is this process's again, after a migration that failed, or from now on. Without its disks it is paused. */
  takeOver(state: RunState): void {
    try {
      this.host.disks.lock();
    } catch (error) {
      this.host.log(`the VM is paused, and not ${state}: ${(error as Error).message}`);
      this.setRunState('paused');
      return;
    }
    if (state === 'running') this.resume();
    else this.setRunState(state);
  }

  /** Lets the VM run, for the first time or again. Throws a QmpError if another process uses one of its disks. */
  resume(): void {
    checkTransition(this.state, 'running');
    try {
      this.host.disks.lock();
    } catch (error) {
      throw new QmpError((error as Error).message);
    }
    this.setRunState('running'); // before `cont`, which says at once if the guest still waits for a reset
    this.machine.cont();
    this.qmp.emit('RESUME');
  }

  /** The guest has asked for a reset. While a migration holds it, that waits: the machine says it again at `cont`. */
  async guestReset(): Promise<void> {
    if (this.state !== 'finish-migrate') await this.reset('guest-reset');
  }

  /** The guest has not reloaded its watchdog in time (QEMU, hw/watchdog/watchdog.c). */
  async watchdogExpired(): Promise<void> {
    if (this.state !== 'running') return; // somebody holds or ends the VM already
    const action = this.watchdogAction;
    this.qmp.emit('WATCHDOG', { action });
    if (action === 'reset') await this.reset('guest-reset');
    else if (action === 'shutdown') this.powerdown();
    else if (action === 'poweroff') await this.shutdown('guest-shutdown');
    else if (action === 'pause') await this.stop('watchdog');
  }

  /** A disk has an error that the guest is not to hear of: it stands still until somebody lets it go on (`cont`). */
  async holdForDisk(): Promise<void> {
    if (this.state === 'running') await this.stop('io-error');
  }

  /** A press of the power button. The board has none that a guest could hear yet, so all that follows is the event. */
  powerdown(): void {
    this.qmp.emit('POWERDOWN');
  }

  /** Back to power-on; a running VM runs on from there. Rejects if what it starts from cannot be read any more. */
  async reset(cause: Cause): Promise<void> {
    if (!['prelaunch', 'running', 'paused', 'watchdog', 'io-error'].includes(this.state)) {
      throw new QmpError(`a VM that is ${this.state} cannot be reset`);
    }
    if (!this.machine.memory.isComplete) {
      if (cause === 'host-qmp-system-reset')
        throw new QmpError('pages of this VM are still to come: wait for post-copy');
      await this.machine.pages.completion();
      return this.reset(cause);
    }
    await this.machine.stop();
    try {
      this.machine.reset();
      this.qmp.emit('RESET', { guest: cause === 'guest-reset', reason: cause });
    } finally {
      if (this.state === 'running') this.machine.cont(); // also if the kernel's file is gone: then nothing has changed
    }
  }

  /** Ends the VM and this process, with that exit status. */
  async shutdown(cause: Cause, status = 0): Promise<void> {
    if (this.state === 'shutdown') return;
    this.setRunState('shutdown');
    await this.machine.stop();
    this.qmp.emit('SHUTDOWN', { guest: cause.startsWith('guest'), reason: cause });
    this.host.exit(status);
  }
}
