/** One migration that takes a VM away from this host: carries out what `nextStep` decides, until it has ended. */
import type { MeansWanted, MigrationParameters } from '#contracts';
import { lastLines } from '#hypervisor';
import { VmRefusal } from '../vms/vm-refusal.js';
import { DepartureMeans } from './departure-means.js';
import type { DeparturePorts } from './departure-ports.js';
import { DepartureWatch } from './departure-watch.js';
import { copiedDisks, removeTokens, showTokens } from './disk-departure.js';
import { PROCESS_LINES } from './incoming.js';
import { attemptId, type MigrationPhase, type MigrationRecord } from './migration-record.js';
import { type DestinationAnswer, type Step, nextStep } from './next-step.js';
import { DestinationPeer } from './peer.js';
import { RecordFile } from './record-file.js';
import { endReport, phaseReport, stayedReport, withHandover } from './report.js';
import { Wakeup } from './wakeup.js';

/** How often a migration is looked at, and a destination's agent asked that did not answer. */
const POLL_MS = 250;
const ASK_AGAIN_MS = 1_000;
const MIB = 2 ** 20;

/** Phases in which what is changed has an effect. */
const HAS_LIMITS: ReadonlySet<MigrationPhase> = new Set(['begin', 'prepare', 'perform', 'postcopy']);

export class Departure {
  readonly means: DepartureMeans;
  private readonly record: RecordFile;
  private readonly watch: DepartureWatch;
  private readonly wakeup = new Wakeup();
  private answer: DestinationAnswer = { kind: 'not_asked' };
  private isRunning = false;
  private isClosed = false;

  constructor(
    private readonly migrationId: string,
    private readonly ports: DeparturePorts,
  ) {
    this.record = new RecordFile(ports.store, migrationId);
    this.means = new DepartureMeans(this.record, ports, this.wakeup);
    this.watch = new DepartureWatch(this.record, ports, this.wakeup, this.means);
  }

  get hasLimits(): boolean {
    return HAS_LIMITS.has(this.record.now.phase);
  }

  /** Goes on from where its record says, until it has ended; does nothing if it does so already. */
  run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    void this.loop().finally(() => (this.isRunning = false));
  }

  /** Asks for its end. Throws VmRefusal past the point of no return. */
  cancel(): void {
    const { phase, cancel } = this.record.now;
    if (!['begin', 'prepare', 'perform'].includes(phase))
      throw new VmRefusal('too_late', `migration ${this.migrationId} can no longer be cancelled (${phase})`);
    this.record.update({ cancel: cancel ?? 'cancelled' });
    this.wakeup.ring();
  }

  /** Changes limits, now and for what is still to be ordered. Throws VmRefusal if it is too late. */
  async setParameters(parameters: MigrationParameters): Promise<void> {
    const { phase, order, vmId } = this.record.now;
    if (!this.hasLimits)
      throw new VmRefusal('too_late', `migration ${this.migrationId} has no limits any more (${phase})`);
    this.record.update({ order: { ...order, ...parameters } });
    if (phase === 'perform' || phase === 'postcopy')
      await this.ports.vms.processOf(vmId).setMigrationLimits(parameters);
  }

  /** Carries nothing out any more. */
  close(): void {
    this.isClosed = true;
    this.wakeup.ring();
  }

  private async loop(): Promise<void> {
    const { migrationId, record, wakeup } = this;
    const { log } = this.ports;
    let last = '';
    while (!this.isClosed && !record.hasEnded) {
      const { vmId, phase } = record.now;
      wakeup.listen();
      try {
        const source = await this.watch.look();
        const facts = { nowMs: Date.now(), source, destination: this.answer };
        const step = nextStep(record.now, facts);
        if (step.action !== last) log.info({ migrationId, vmId, phase, action: step.action }, step.reason);
        last = step.action;
        await this.carryOut(step);
      } catch (error) {
        log.error({ migrationId, vmId, phase }, `a step of the migration failed: ${(error as Error).message}`);
        await wakeup.pause(ASK_AGAIN_MS);
      }
    }
  }

  private async carryOut(step: Step): Promise<void> {
    const { migrationId } = this;
    const { vms, transfers } = this.ports;
    const record = this.record.now;
    const { vmId, order, report } = record;
    const peer = new DestinationPeer(order);
    switch (step.action) {
      case 'wait':
        return this.wakeup.pause(POLL_MS);
      case 'enter':
        if (step.phase === 'prepare') await transfers.beginLeaving(vmId, order.sourceEpoch, migrationId);
        return this.record.update({ phase: step.phase, report: this.phaseReport(record, step.phase) });
      case 'enter_perform':
        removeTokens(vms.disks, record);
        return this.record.update({ phase: 'perform', uri: step.uri, nbd: step.nbd });
      case 'ask_prepare':
        return this.askToPrepare(record, peer);
      case 'mirror_disks':
        return this.mirrorDisks(record);
      case 'ask_state':
        return this.ask(peer.state());
      case 'ask_finish':
        return this.ask(peer.finish());
      case 'ask_discard':
        return this.ask(peer.discard());
      case 'migrate':
        return this.migrate(record, step.uri);
      case 'cancel_migration':
        await vms.processOf(vmId).cancelMigration();
        return this.wakeup.pause(POLL_MS);
      case 'begin_anew':
        return this.beginAnew(record, peer);
      case 'recover':
        return this.recover(record, peer);
      case 'time_out':
        return this.record.update({ cancel: 'timeout' });
      case 'abort': {
        removeTokens(vms.disks, record);
        if (record.mirroring) await this.endMirrors(record);
        // The VM stays whatever becomes of the rest: the controller may know now.
        await transfers.stays(vmId, migrationId);
        await this.means.undo(record, true);
        const failed = { ...record, error: step.error };
        return this.record.update({ phase: 'abort', error: step.error, report: stayedReport(failed) });
      }
      case 'keep_checkpoint':
        return this.keepCheckpoint(record);
      case 'quit_source':
        await this.means.undo(record, false);
        await this.leave(record);
        if (order.checkpointLimitMiB > 0) return this.ports.checkpoints.keepWithin(order.checkpointLimitMiB);
        return this.ports.checkpoints.remove(vmId, 'its migration policy says so');
      case 'end_stays':
        return this.end({ error: record.error, report });
      case 'end_left':
        if (step.error) await transfers.lost(vmId, migrationId, step.error.message);
        else await this.leave(record);
        return this.end({ error: step.error, report: endReport(report, step.error) });
    }
  }

  private async askToPrepare(record: MigrationRecord, peer: DestinationPeer): Promise<void> {
    const { vms } = this.ports;
    const devices = await vms.processOf(record.vmId).devices();
    const disks = await showTokens(vms.disks, record);
    return this.ask(peer.prepare({ devices: [...devices], disks, means: meansWanted(record) }));
  }

  private async mirrorDisks(record: MigrationRecord): Promise<void> {
    const { vms, passages } = this.ports;
    const { vmId, order } = record;
    this.record.update({ mirroring: { failure: null } }); // a copy that is not found from here on has failed
    const process = vms.processOf(vmId);
    try {
      await process.endMirrors(); // of an earlier migration
      const tls = passages.tlsFor(order);
      await process.mirrorDisks(await passages.disksOf(record), record.nbd!.exports, order.bandwidthMiBps, tls);
    } catch (error) {
      this.record.update({ mirroring: { failure: (error as Error).message } });
    }
  }

  /** Those that go on by themselves end with the destination's process. */
  private async endMirrors({ migrationId, vmId }: MigrationRecord): Promise<void> {
    const { vms, log } = this.ports;
    const failed = (error: Error) => log.debug({ migrationId, vmId }, error.message);
    await vms.process(vmId)?.endMirrors().catch(failed);
  }

  private async migrate(record: MigrationRecord, uri: string): Promise<void> {
    const { vms, passages, converger } = this.ports;
    const { vmId, order } = record;
    const process = vms.processOf(vmId);
    const { means } = order.convergence;
    const mirroredDisks = copiedDisks(record).map(({ name }) => name);
    const all = means.length > 0 ? await converger.meansAtHand(process) : [];
    // A disk is the destination's at the switchover: it cannot follow, and is not copied once more.
    const atHand = all.filter((each) => mirroredDisks.length === 0 || (each.inFlight && each.means !== 'post_copy'));
    this.record.update({ atHand });
    const id = attemptId(record);
    const tls = passages.tlsFor(order);
    const where = await passages.uriOf(record, uri);
    await process.migrate({ ...order, migrationId: id, uri: where, means: meansWanted(record), mirroredDisks, tls });
  }

  /** With means that the process could not change in flight. The destination's process is started anew, too. */
  private async beginAnew({ attempt }: MigrationRecord, peer: DestinationPeer): Promise<void> {
    await this.ask(peer.discard());
    if (this.answer.kind === 'unreachable') return;
    this.answer = { kind: 'not_asked' };
    this.ports.converger.restarted(this.migrationId);
    this.record.update({ phase: 'prepare', attempt: attempt + 1, isRestarting: false, uri: null });
  }

  private async recover(record: MigrationRecord, peer: DestinationPeer): Promise<void> {
    const { vms, passages } = this.ports;
    const { vmId, paused } = record;
    this.record.update({ paused: { sinceMs: Date.now(), attempts: (paused?.attempts ?? 0) + 1 } });
    const state = await peer.state();
    this.answer = state;
    if (state.kind === 'gone' || (state.kind === 'running' && (state.isComplete || state.hasEnded))) return; // nothing to recover
    const answer = await peer.recover();
    if (answer.kind !== 'prepared')
      throw new Error(`the destination cannot go on: ${'message' in answer ? answer.message : answer.kind}`);
    await vms.processOf(vmId).resumeMigration(await passages.uriOf(record, answer.uri));
    await this.wakeup.pause(POLL_MS);
  }

  /** The VM has left, and that is told now; it may even come back before all of its memory is written. */
  private async keepCheckpoint(record: MigrationRecord): Promise<void> {
    const { vms, transfers, log } = this.ports;
    const { migrationId, vmId, order, report } = record;
    await this.means.undo(record, false);
    await transfers.hasLeft(vmId, migrationId);
    this.record.update({ checkpoint: { sinceMs: Date.now() }, report: endReport(report, null) });
    try {
      await vms.processOf(vmId).saveCheckpoint(order.checkpointLimitMiB * MIB);
    } catch (error) {
      log.info({ migrationId, vmId }, `its memory is not kept: ${(error as Error).message}`);
    }
  }

  /** The VM runs at the destination, with the disks that were copied: what is here of them is of no use. */
  private async leave(record: MigrationRecord): Promise<void> {
    const { vms, transfers } = this.ports;
    const { vmId, migrationId, order } = record;
    await transfers.left(vmId, migrationId, order.epoch);
    await transfers.ifGone(vmId, () => vms.disks.remove(vmId, copiedDisks(record)));
  }

  private async ask(asked: Promise<DestinationAnswer>): Promise<void> {
    this.answer = await asked;
    if (['unreachable', 'waiting', 'loaded'].includes(this.answer.kind)) await this.wakeup.pause(ASK_AGAIN_MS);
  }

  private phaseReport({ phase, report }: MigrationRecord, next: 'prepare' | 'postcopy' | 'finish' | 'confirm') {
    const { letGoAtMs } = this.watch;
    const isHandedOver = phase === 'finish' && next === 'confirm' && letGoAtMs !== null;
    return phaseReport(isHandedOver ? withHandover(report, performance.now() - letGoAtMs) : report, next);
  }

  /** Ends it, with what both ends have to say of it. */
  private async end({ error, report }: Pick<MigrationRecord, 'error' | 'report'>): Promise<void> {
    const { migrationId } = this;
    const { vms, passages, migrationLog, log } = this.ports;
    const { vmId, order } = this.record.now;
    log.info({ migrationId, vmId, status: report.status, error }, 'migration ended');
    const process = vms.record(vmId)?.process;
    const own = migrationLog.of(migrationId, process ? lastLines(process.log, PROCESS_LINES) : []);
    const lines = [
      ...own.map((line) => ({ ...line, side: 'source' as const })),
      ...(await new DestinationPeer(order).log()),
    ];
    passages.close(migrationId);
    this.record.update({ phase: 'ended', error, report: { ...report, log: lines } });
  }
}

/** What both ends have to be ready for. */
const meansWanted = ({ order, report }: MigrationRecord): MeansWanted => ({
  allowed: order.convergence.means.map(({ means }) => means),
  begunWith: report.decisions.filter(({ restarted }) => restarted).map(({ means, value }) => ({ means, value })),
});
