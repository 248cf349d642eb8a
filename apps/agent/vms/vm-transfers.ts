/** VMs that leave this host or arrive at it: what a migration does to their records and processes. */
import type { Disk, PreparedIncoming, PrepareIncoming } from '#contracts';
import type { VmProcess } from '#hypervisor';
import type { Log } from '../log.js';
import { setOnline } from '../migration/convergence/vcpus.js';
import type { Checkpoints } from './checkpoints.js';
import type { VmRecord } from './vm-record.js';
import { VmRefusal } from './vm-refusal.js';
import type { VmTable } from './vm-table.js';

/** How a VM is waited for. */
export interface ArrivalPlan {
  /** Disks whose files have to be made. Throws VmRefusal. */
  unseenDisks(): readonly Disk[];
  makeRoom(unseen: readonly Disk[]): Promise<void>;
  /** Makes the process wait. `tunnelPorts`: see VmRecord. */
  listen(
    process: VmProcess,
    unseen: readonly Disk[],
  ): Promise<{ readonly prepared: PreparedIncoming; readonly tunnelPorts: TunnelPorts | null }>;
}

export type TunnelPorts = NonNullable<NonNullable<VmRecord['incoming']>['tunnelPorts']>;

export class VmTransfers {
  constructor(
    private readonly vms: VmTable,
    private readonly checkpoints: Checkpoints,
    private readonly memoryMiB: number,
    private readonly log: Log,
  ) {}

  /** True if that migration may take the VM away, or does so already. */
  mayLeave(vmId: string, epoch: number, migrationId: string): boolean {
    const record = this.vms.record(vmId);
    if (record?.leaving === migrationId) return true;
    return record?.phase === 'running' && record.epoch === epoch && !record.leaving && !!this.vms.process(vmId);
  }

  /** From now on the end of the VM's process is the migration's affair. Throws VmRefusal if it may not leave. */
  beginLeaving(vmId: string, epoch: number, migrationId: string): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      if (!this.mayLeave(vmId, epoch, migrationId))
        throw new VmRefusal('not_here', `this host does not run epoch ${epoch} of the VM`);
      this.vms.update(vmId, { leaving: migrationId });
    });
  }

  /** The migration failed: the VM stays, or has ended meanwhile for reasons of its own. */
  stays(vmId: string, migrationId: string): Promise<void> {
    return this.ifLeaving(vmId, migrationId, async () => {
      const hasEnded = this.vms.record(vmId)?.end;
      this.vms.update(vmId, hasEnded ? { leaving: null, phase: 'ended' } : { leaving: null });
    });
  }

  /** The VM runs elsewhere: its process here has nothing to do any more but to keep its memory. */
  hasLeft(vmId: string, migrationId: string): Promise<void> {
    return this.ifLeaving(vmId, migrationId, async () => this.vms.update(vmId, { phase: 'left' }));
  }

  /** The VM runs elsewhere, in `epoch`: its process here is ended, and nothing is told of that. */
  left(vmId: string, migrationId: string, epoch: number): Promise<void> {
    return this.ifLeaving(vmId, migrationId, async () => {
      await this.vms.end(vmId, 'it has left');
      this.vms.update(vmId, { phase: 'gone', leaving: null, epoch });
    });
  }

  /** The VM is nowhere any more: the destination lost it after the source had let go. */
  lost(vmId: string, migrationId: string, message: string): Promise<void> {
    return this.ifLeaving(vmId, migrationId, async () => {
      await this.vms.end(vmId, message);
      this.vms.update(vmId, { phase: 'ended', leaving: null, end: { status: 'failed', exitCode: null, message } });
    });
  }

  /**
   * Starts a process that waits for a VM, and says where. Asked again by the same migration, it gives the same answer.
   * Throws VmRefusal if the VM cannot come here.
   */
  expect(arrival: PrepareIncoming, plan: ArrivalPlan): Promise<PreparedIncoming> {
    const { vmId, epoch, migrationId, spec, devices } = arrival;
    return this.vms.exclusively(vmId, async () => {
      const known = this.vms.record(vmId);
      const isKnown = known?.phase === 'incoming' && known.incoming?.migrationId === migrationId;
      if (isKnown && known.incoming?.uri && this.vms.process(vmId)) {
        return { uri: known.incoming.uri, nbd: known.incoming.nbd };
      }
      const isBegunAnew =
        known?.phase === 'gone' && known.incoming?.migrationId === migrationId && known.epoch === epoch;
      if (known?.phase === 'left') {
        await this.vms.end(vmId, 'the VM comes back', { atOnce: true });
        this.vms.update(vmId, { phase: 'gone', leaving: null });
      }
      if (isKnown) {
        await this.vms.end(vmId, 'it is started anew', { atOnce: true }); // the agent died before it waited
        await this.removeMadeDisks(vmId);
      } else if (!isBegunAnew) this.check(arrival);
      const unseen = plan.unseenDisks();
      const madeDisks = unseen.map(({ name }) => name);
      const incoming = { migrationId, uri: null, nbd: null, tunnelPorts: null, madeDisks, offlineVcpus: [] };
      await this.removeLeftovers(vmId, unseen);
      await plan.makeRoom(unseen);
      this.vms.create(vmId, epoch, spec, { phase: 'incoming', incoming, devices: [...devices] });
      try {
        const { prepared, tunnelPorts } = await plan.listen(await this.vms.launch(vmId), unseen);
        this.vms.update(vmId, { incoming: { ...incoming, ...prepared, tunnelPorts } });
        return prepared;
      } catch (error) {
        const { message } = error as Error;
        await this.vms.end(vmId, message, { atOnce: true });
        await this.removeMadeDisks(vmId);
        this.vms.update(vmId, { phase: 'gone' });
        throw error instanceof VmRefusal ? error : new VmRefusal('start_failed', message);
      }
    });
  }

  /**
   * Throws away what waits for that migration; does nothing if the guest runs here, or if there is nothing. Throws
   * VmRefusal while nobody can tell whether the guest runs.
   */
  discard(vmId: string, migrationId: string, reason: string): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const record = this.vms.record(vmId);
      if (record?.incoming?.migrationId !== migrationId) return;
      if (record.phase === 'gone') await this.removeMadeDisks(vmId); // its process has ended by itself
      if (record.phase !== 'incoming') return;
      if (!this.vms.process(vmId)) throw new VmRefusal('not_ready', 'its process does not answer now');
      if (await this.noteArrival(vmId)) return;
      await this.vms.end(vmId, reason, { atOnce: true });
      await this.removeMadeDisks(vmId);
      this.vms.update(vmId, { phase: 'gone', end: { status: 'down', exitCode: null, message: reason } });
      this.log.info({ vmId, migrationId, reason }, 'incoming VM thrown away');
    });
  }

  /**
   * Starts a copy that is loaded: its source has the VM no more. Does nothing for another epoch, or if it runs already.
   * Rejects if its process refuses.
   */
  finish(vmId: string, epoch: number): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      const record = this.vms.record(vmId);
      if (record?.phase !== 'incoming' || record.epoch !== epoch || !(await this.isLoaded(vmId))) return;
      this.log.warn({ vmId, epoch }, 'starting a loaded copy whose source is gone, as the controller says');
      await this.vms.processOf(vmId).finishIncoming();
      await this.noteArrival(vmId);
    });
  }

  /** Everything of the VM is here, and nothing runs yet; false if its process does not say so. */
  async isLoaded(vmId: string): Promise<boolean> {
    const figures = await this.vms
      .process(vmId)
      ?.queryIncoming()
      .catch(() => null);
    return figures?.status === 'loaded';
  }

  /** Looks at all VMs that arrive: notes those that have, and throws away those that never will. Never throws. */
  async lookAtArrivals(): Promise<void> {
    const arriving = this.vms.records().filter(({ phase, vmId }) => phase === 'incoming' && this.vms.process(vmId));
    await Promise.all(
      arriving.map(({ vmId, incoming }) =>
        this.lookAtArrival(vmId, incoming!.migrationId).catch((error: Error) =>
          this.log.debug({ vmId }, `no news of an incoming VM this time: ${error.message}`),
        ),
      ),
    );
  }

  private async lookAtArrival(vmId: string, migrationId: string): Promise<void> {
    if (await this.noteArrival(vmId)) return;
    const figures = await this.vms.process(vmId)?.queryIncoming();
    if (figures?.status === 'failed') await this.discard(vmId, migrationId, figures.message);
  }

  /** Gives guests that have arrived the vCPUs back that they did without. Never throws; asks again until they take them. */
  async restoreVcpus(): Promise<void> {
    for (const { vmId, phase, incoming } of this.vms.records()) {
      const agent = this.vms.process(vmId)?.guestAgent;
      if (phase !== 'running' || !incoming || incoming.offlineVcpus.length === 0 || !agent) continue;
      try {
        await setOnline(agent, incoming.offlineVcpus, true);
        this.vms.update(vmId, { incoming: { ...incoming, offlineVcpus: [] } });
      } catch (error) {
        this.log.debug({ vmId }, `the guest has not taken its vCPUs back yet: ${(error as Error).message}`);
      }
    }
  }

  /** Writes it down if the guest of an incoming VM has begun to run here; true if it runs here. */
  async noteArrival(vmId: string): Promise<boolean> {
    const record = this.vms.record(vmId);
    const process = this.vms.process(vmId);
    if (record?.phase !== 'incoming' || !process) return record?.phase === 'running';
    const { status } = await process.queryIncoming();
    if (status !== 'running') return false;
    if (this.vms.record(vmId)?.phase === 'incoming') {
      this.vms.update(vmId, { phase: 'running', incoming: record.incoming && { ...record.incoming, madeDisks: [] } });
      this.log.info({ vmId, migrationId: record.incoming?.migrationId, epoch: record.epoch }, 'VM has arrived');
      this.checkpoints.remove(vmId, 'the VM is back');
    }
    return true;
  }

  /** Files of an arrival that will not be. */
  private async removeMadeDisks(vmId: string): Promise<void> {
    const { spec, incoming } = this.vms.record(vmId)!;
    const made = spec.disks.filter(({ name }) => incoming?.madeDisks.includes(name));
    await this.vms.disks.remove(vmId, made);
    if (incoming) this.vms.update(vmId, { incoming: { ...incoming, madeDisks: [] } });
  }

  /** What an earlier stay of the VM has left, if its end was not seen to. */
  private async removeLeftovers(vmId: string, unseen: readonly Disk[]): Promise<void> {
    if (this.vms.record(vmId)?.phase === 'gone') await this.vms.disks.remove(vmId, unseen);
  }

  private check({ vmId, epoch, spec }: PrepareIncoming): void {
    const known = this.vms.record(vmId);
    if (known && known.epoch >= epoch)
      throw new VmRefusal('stale_epoch', `epoch ${known.epoch} of the VM is known here; ${epoch} is not later`);
    if (known && this.vms.process(vmId))
      throw new VmRefusal('already_here', `epoch ${known.epoch} of the VM is on this host (${known.phase})`);
    const freeMiB = this.memoryMiB - this.vms.promisedMiB();
    if (spec.memoryMiB > freeMiB)
      throw new VmRefusal('capacity', `the VM needs ${spec.memoryMiB} MiB, this host has ${freeMiB} MiB left`);
  }

  /** Does something about what is left of a VM, unless it has come back. */
  ifGone(vmId: string, action: () => Promise<void>): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      if (this.vms.record(vmId)?.phase === 'gone') await action();
    });
  }

  private ifLeaving(vmId: string, migrationId: string, action: () => Promise<void>): Promise<void> {
    return this.vms.exclusively(vmId, async () => {
      if (this.vms.record(vmId)?.leaving === migrationId) await action();
    });
  }
}
