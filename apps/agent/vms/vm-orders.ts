/** Orders that change a VM where it is. An order that comes twice, or too late, does no harm: epochs tell. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disk, VmReport, VmSpec } from '#contracts';
import type { VmProcess } from '#hypervisor';
import type { Log } from '../log.js';
import type { VmTable } from './vm-table.js';
import type { VmTransfers } from './vm-transfers.js';

/** How long a guest that may not even listen to its power button can take to shut down before its process is ended. */
const POWERDOWN_GRACE_MS = 5_000;
/** The same for a guest whose agent has taken the order. */
const SHUTDOWN_GRACE_MS = 30_000;

export class VmOrders {
  constructor(
    private readonly vms: VmTable,
    private readonly transfers: VmTransfers,
    private readonly log: Log,
  ) {}

  /** Starts a VM, unless this epoch of it, or a later one, is known here. A failure is reported, not thrown. */
  start(vmId: string, epoch: number, spec: VmSpec, makeDisks = false): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const known = this.vms.record(vmId);
      if (known && known.epoch >= epoch) {
        const { phase } = known;
        this.log.info(
          { vmId, epoch, known: known.epoch, phase },
          'start ignored: that epoch, or a later one, is known',
        );
        return;
      }
      await this.vms.end(vmId, 'a later epoch of it was started');
      this.vms.create(vmId, epoch, spec, { phase: 'starting', makeDisks });
      await this.vms.bringUp(vmId);
    });
  }

  /** Ends a VM. `shutdown` asks the guest first and gives it a while; `message` is what is told of the end. */
  stop(vmId: string, epoch: number, mode: 'shutdown' | 'power_off', message: string): Promise<void> {
    return this.ifHere('stop', vmId, epoch, async () => {
      this.vms.update(vmId, { phase: 'stopping' });
      const process = this.vms.process(vmId);
      if (process && mode === 'shutdown') {
        this.vms.announceEnd(vmId, message);
        const graceMs = await this.askToShutDown(vmId, process);
        await Promise.race([process.ended, sleep(graceMs, undefined, { ref: false })]);
      }
      await this.vms.end(vmId, message);
    });
  }

  /** The VM was deleted: nobody needs its disks. */
  removeDisks(vmId: string, epoch: number, disks: readonly Disk[]): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const record = this.vms.record(vmId);
      if (this.vms.process(vmId) || (record && record.epoch > epoch)) {
        this.log.warn({ vmId, epoch, known: record?.epoch }, 'order to remove the disks of a VM ignored: it is here');
        return;
      }
      await this.vms.disks.remove(vmId, disks);
      this.log.info({ vmId, disks: disks.map(({ name }) => name) }, 'disks of a deleted VM removed');
    });
  }

  pause(vmId: string, epoch: number): Promise<void> {
    return this.ifHere('pause', vmId, epoch, () => this.vms.processOf(vmId).stop());
  }

  resume(vmId: string, epoch: number): Promise<void> {
    return this.ifHere('resume', vmId, epoch, () => this.vms.processOf(vmId).cont());
  }

  /** Ends all VMs, because the host ends. */
  async stopAll(message: string): Promise<void> {
    const here = this.vms.records().filter(({ phase }) => ['starting', 'running', 'stopping'].includes(phase));
    await Promise.all(here.map(({ vmId, epoch }) => this.stop(vmId, epoch, 'shutdown', message)));
    const others = this.vms.records().filter(({ vmId }) => this.vms.process(vmId));
    await Promise.all(others.map(({ vmId }) => this.vms.exclusively(vmId, () => this.vms.end(vmId, message))));
  }

  /** The controller has stored how that VM ended. */
  forget(vmId: string, epoch: number): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const record = this.vms.record(vmId);
      if (record?.epoch === epoch && record.phase === 'ended') this.vms.update(vmId, { phase: 'gone' });
    });
  }

  /**
   * Ends a copy that does not own the VM any more, without grace and without a report. `toldAs`: what the controller
   * judged; a copy that waited then and has been loaded or has arrived since is judged anew.
   */
  destroy(vmId: string, epoch: number, toldAs: VmReport['status']): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const wasArriving = toldAs === 'incoming' || toldAs === 'loaded';
      if (wasArriving) await this.noteArrival(vmId);
      const record = this.vms.record(vmId);
      if (!record || record.epoch !== epoch || record.phase === 'gone') return;
      const { phase } = record;
      if (wasArriving && phase !== 'incoming') {
        this.log.info({ vmId, epoch, phase }, 'order to end a copy ignored: it has arrived since');
        return;
      }
      if (toldAs === 'incoming' && (await this.transfers.isLoaded(vmId))) {
        this.log.info({ vmId, epoch, phase }, 'order to end a copy ignored: it has been loaded since');
        return;
      }
      this.log.warn({ vmId, epoch, phase }, 'ending a copy that must not run here, as the controller says');
      await this.vms.end(vmId, 'it must not run here', { atOnce: true });
      this.vms.update(vmId, { phase: 'gone', leaving: null });
    });
  }

  /** By its agent, else by a press of the power button; resolves to how long it may take. */
  private async askToShutDown(vmId: string, process: VmProcess): Promise<number> {
    const refused = (error: Error) => this.log.debug({ vmId }, `the guest does not shut down: ${error.message}`);
    const isTaken = await process.guestAgent?.shutdown().then(() => true, refused);
    if (isTaken) return SHUTDOWN_GRACE_MS;
    const couldHear = await process.powerdown().catch((error: Error) => {
      refused(error);
      return true; // it may have heard all the same
    });
    return couldHear ? POWERDOWN_GRACE_MS : 0;
  }

  private async noteArrival(vmId: string): Promise<void> {
    try {
      await this.transfers.noteArrival(vmId);
    } catch (error) {
      this.log.debug({ vmId }, `an incoming VM does not answer: ${(error as Error).message}`);
    }
  }

  /** Carries an order out if that epoch of the VM runs here and is not about to leave. */
  private ifHere(order: string, vmId: string, epoch: number, action: () => Promise<void>): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const record = this.vms.record(vmId);
      const { phase, leaving } = record ?? {};
      const isHere = record?.epoch === epoch && ['starting', 'running', 'stopping'].includes(record.phase) && !leaving;
      if (isHere) await action();
      else this.log.info({ vmId, epoch, known: record?.epoch, phase, leaving }, `${order} ignored`);
    });
  }
}
