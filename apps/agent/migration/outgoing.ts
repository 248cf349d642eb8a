/** Migrations that take VMs away from this host: carries out what `nextStep` decides, until each has ended. */
import type { HeartbeatAnswer, MeansWanted, MigrationParameters, MigrationReport, MigrationStep } from '#contracts';
import { decide } from '#convergence';
import { lastLines } from '#hypervisor';
import type { Log } from '../log.js';
import type { JsonStore } from '../state/json-store.js';
import type { Checkpoints } from '../vms/checkpoints.js';
import { VmRefusal } from '../vms/vm-refusal.js';
import type { VmTable } from '../vms/vm-table.js';
import type { VmTransfers } from '../vms/vm-transfers.js';
import { copiedDisks, type DiskState, diskState, removeTokens, showTokens } from './disk-departure.js';
import type { Converger } from './convergence/converger.js';
import { checkpointState } from './checkpoint-departure.js';
import {
  attemptId,
  type MigrateJob,
  type MigrationPhase,
  type MigrationRecord,
  newMigrationRecord,
} from './migration-record.js';
import { PROCESS_LINES } from './incoming.js';
import type { MigrationLog } from './migration-log.js';
import { type DestinationAnswer, type Facts, type SourceMigration, type Step, nextStep } from './next-step.js';
import type { Passages } from './passages.js';
import { DestinationPeer } from './peer.js';
import {
  endReport,
  phaseReport,
  sourceMigration,
  stayedReport,
  withDisks,
  withFigures,
  withHandover,
} from './report.js';
import { Wakeup } from './wakeup.js';

/** How often a migration is looked at, and a destination's agent asked that did not answer. */
const POLL_MS = 250;
const ASK_AGAIN_MS = 1_000;
const MIB = 2 ** 20;

interface Running {
  answer: DestinationAnswer;
  readonly wakeup: Wakeup;
  /** When the source's process was seen to have let go of the VM. */
  letGoAtMs: number | null;
}

export class OutgoingMigrations {
  private readonly running = new Map<string, Running>();
  private isClosed = false;

  constructor(
    private readonly store: JsonStore<MigrationRecord>,
    private readonly vms: VmTable,
    private readonly transfers: VmTransfers,
    private readonly checkpoints: Checkpoints,
    private readonly passages: Passages,
    private readonly converger: Converger,
    /** When the controller last answered, in ms. */
    private readonly heardAtMs: () => number,
    private readonly migrationLog: MigrationLog,
    private readonly log: Log,
  ) {}

  /** After a start of the agent: goes on with what had been begun. */
  resumeAll(): void {
    for (const record of this.store.all()) if (record.phase !== 'ended') this.run(record.migrationId);
  }

  /** Takes an order on; it is carried out from here, job or no job. The same order again changes nothing. */
  begin(order: MigrateJob): void {
    const { migrationId, vmId, epoch } = order;
    const vm = this.vms.record(vmId);
    const hasLeft = vm?.phase === 'gone' && vm.epoch >= epoch;
    if (this.store.get(migrationId) || hasLeft) {
      this.log.info({ migrationId, vmId }, 'order to migrate ignored: it has been taken on before');
      return;
    }
    this.store.put(migrationId, newMigrationRecord(order, new Date().toISOString()));
    this.run(migrationId);
  }

  reports(): MigrationReport[] {
    return this.store
      .all()
      .map(({ report }) => ({ ...report, facts: report.facts && { ...report.facts, decisions: [] } }));
  }

  /** The controller has stored how it ended, as it was `told`. */
  forget(migrationId: string, told: MigrationReport | undefined): void {
    const record = this.store.get(migrationId);
    if (record?.phase !== 'ended' || (told?.log.length === 0 && record.report.log.length > 0)) return;
    this.store.remove(migrationId);
    this.migrationLog.forget(migrationId);
  }

  /** Asks for its end; past the point of no return nothing comes of it. Throws VmRefusal if there is none. */
  cancel(migrationId: string): void {
    const record = this.find(migrationId);
    if (!['begin', 'prepare', 'perform'].includes(record.phase))
      throw new VmRefusal('too_late', `migration ${migrationId} can no longer be cancelled (${record.phase})`);
    this.update(migrationId, { cancel: record.cancel ?? 'cancelled' });
    this.running.get(migrationId)?.wakeup.ring();
  }

  /** Changes limits, now and for what is still to be ordered. Throws VmRefusal if there is none, or it is too late. */
  async setParameters(migrationId: string, parameters: MigrationParameters): Promise<void> {
    const { phase, order, vmId } = this.find(migrationId);
    if (!HAS_LIMITS.has(phase))
      throw new VmRefusal('too_late', `migration ${migrationId} has no limits any more (${phase})`);
    this.update(migrationId, { order: { ...order, ...parameters } });
    if (phase === 'perform' || phase === 'postcopy') await this.vms.processOf(vmId).setMigrationLimits(parameters);
  }

  /** Carries out what the controller has decided; a step that has been taken already, or comes too late, is passed over. */
  async takeSteps(steps: readonly MigrationStep[]): Promise<void> {
    for (const step of steps) {
      const record = this.store.get(step.migrationId);
      if (record?.phase !== 'perform' || step.number !== record.report.decisions.length + 1) continue;
      await this.takeStep(step, 'controller');
    }
  }

  /** What is each migration's of its hosts' links now. Never throws: the controller says it again. */
  async takeBandwidths(bandwidths: HeartbeatAnswer['bandwidths']): Promise<void> {
    for (const { migrationId, bandwidthMiBps } of bandwidths) {
      const record = this.store.get(migrationId);
      if (!record || record.order.bandwidthMiBps === bandwidthMiBps || !HAS_LIMITS.has(record.phase)) continue;
      this.log.info({ migrationId, vmId: record.vmId, bandwidthMiBps }, 'its share of the link has changed');
      const failed = (error: Error) => this.log.warn({ migrationId }, `not applied: ${error.message}`);
      await this.setParameters(migrationId, { bandwidthMiBps }).catch(failed);
    }
  }

  /** The agent ends; what has been begun goes on in the VMs' processes, and here at the next start. */
  close(): void {
    this.isClosed = true;
    for (const { wakeup } of this.running.values()) wakeup.ring();
  }

  private run(migrationId: string): void {
    if (this.running.has(migrationId)) return;
    this.running.set(migrationId, { answer: { kind: 'not_asked' }, wakeup: new Wakeup(), letGoAtMs: null });
    void this.loop(migrationId).finally(() => this.running.delete(migrationId));
  }

  private async loop(migrationId: string): Promise<void> {
    let last = '';
    while (!this.isClosed && this.store.get(migrationId)?.phase !== 'ended') {
      const { vmId, phase } = this.store.get(migrationId)!;
      this.running.get(migrationId)!.wakeup.listen();
      try {
        const step = nextStep(this.store.get(migrationId)!, await this.facts(migrationId));
        if (step.action !== last) this.log.info({ migrationId, vmId, phase, action: step.action }, step.reason);
        last = step.action;
        await this.carryOut(migrationId, step);
      } catch (error) {
        this.log.error({ migrationId, vmId, phase }, `a step of the migration failed: ${(error as Error).message}`);
        await this.pause(migrationId, ASK_AGAIN_MS);
      }
    }
  }

  private async facts(migrationId: string): Promise<Facts> {
    const record = this.store.get(migrationId)!;
    const { vmId, order, phase } = record;
    const vm = this.vms.record(vmId);
    const isMine = this.transfers.mayLeave(vmId, order.sourceEpoch, migrationId);
    const isAlive = isMine && vm?.end === null;
    const isAsked = isAlive && ['perform', 'postcopy', 'abort'].includes(phase);
    const migration = isAsked ? await this.look(migrationId) : UNKNOWN;
    const disks = isAsked && phase === 'perform' ? await this.lookAtDisks(migrationId) : COPYING;
    const checkpoint = phase === 'confirm' ? await checkpointState(record, this.vms.process(vmId)) : 'over';
    const { answer } = this.running.get(migrationId)!;
    return { nowMs: Date.now(), source: { isAlive, isMine, migration, disks, checkpoint }, destination: answer };
  }

  /** Asks the source's process, and keeps its figures for the report. */
  private async look(migrationId: string): Promise<SourceMigration> {
    const record = this.store.get(migrationId)!;
    const { vmId } = record;
    const process = this.vms.process(vmId);
    const running = this.running.get(migrationId)!;
    if (!process) return UNKNOWN; // it runs, but has not answered since this agent began
    process.onMigration(running.wakeup.ring);
    try {
      const figures = await process.queryMigration();
      const migration = sourceMigration(figures, attemptId(record));
      if (migration.status === 'completed') running.letGoAtMs ??= performance.now();
      if (!figures || migration.status === 'none') return migration;
      const facts = await this.converger.look(record, process, figures);
      const now = this.store.get(migrationId)!;
      this.store.remember(migrationId, { ...now, report: { ...withFigures(now.report, figures), facts } });
      if (migration.status === 'postcopy' && now.paused) this.update(migrationId, { paused: null });
      if (migration.status === 'active') await this.decideAlone(migrationId);
      return migration;
    } catch (error) {
      this.log.debug({ migrationId, vmId }, (error as Error).message);
      return UNKNOWN;
    }
  }

  private async lookAtDisks(migrationId: string): Promise<DiskState> {
    const record = this.store.get(migrationId)!;
    const { vmId, order, mirroring } = record;
    const process = this.vms.process(vmId);
    if (copiedDisks(record).length === 0 || !mirroring) return diskState(record, []);
    if (!process) return COPYING;
    try {
      const mirrors = await process.queryMirrors();
      const now = this.store.get(migrationId)!; // somebody may have cancelled it meanwhile
      // Those that have ended with the switchover tell nothing any more.
      if (mirrors.length > 0)
        this.store.remember(migrationId, { ...now, report: withDisks(now.report, order.spec.memoryMiB, mirrors) });
      return diskState(now, mirrors);
    } catch (error) {
      this.log.debug({ migrationId, vmId }, (error as Error).message);
      return COPYING;
    }
  }

  /** The controller has been silent for too long: decides by the same rule. */
  private async decideAlone(migrationId: string): Promise<void> {
    const { order, report } = this.store.get(migrationId)!;
    const nowMs = Date.now();
    if (!report.facts || nowMs - this.heardAtMs() < order.decideAloneAfterSeconds * 1000) return;
    const { action, step, reason, figures } = decide(report.facts, order.convergence, nowMs);
    const number = report.decisions.length + 1;
    if (step)
      await this.takeStep({ ...step, migrationId, number, reason, figures, restart: action === 'restart' }, 'agent');
  }

  /** Writes a decision down, and applies it; what comes of it is told with the next report. */
  private async takeStep(step: MigrationStep, by: 'controller' | 'agent'): Promise<void> {
    const { migrationId, number, means, value, reason, figures, restart } = step;
    const record = this.store.get(migrationId)!;
    const { vmId, order, report } = record;
    const pass = report.facts?.passes.at(-1)?.number ?? 0;
    const decision = { number, at: new Date().toISOString(), by, means, value, reason, figures, pass, failure: null };
    const decisions = [...report.decisions, { ...decision, restarted: restart }];
    const note = (change: Partial<MigrationRecord>) => this.update(migrationId, change);
    note({ report: { ...report, decisions }, isRestarting: restart });
    this.log.info({ migrationId, vmId, by, means, value, restart }, reason);
    if (restart) return this.running.get(migrationId)?.wakeup.ring();
    try {
      const process = this.vms.processOf(vmId);
      await this.converger.apply(record, step, process, new DestinationPeer(order), ({ offlineVcpus }) =>
        note({ outside: { offlineVcpus: [...offlineVcpus] } }),
      );
      const { order: now } = this.store.get(migrationId)!;
      if (means === 'downtime_limit') note({ order: { ...now, downtimeLimitMs: value! } });
    } catch (error) {
      const { message } = error as Error;
      this.log.warn({ migrationId, vmId, means, value }, `it could not be applied: ${message}`);
      const { report: now } = this.store.get(migrationId)!;
      const failed = now.decisions.map((each) => (each.number === number ? { ...each, failure: message } : each));
      note({ report: { ...now, decisions: failed } });
    }
  }

  private async carryOut(migrationId: string, step: Step): Promise<void> {
    const record = this.store.get(migrationId)!;
    const { vmId, order, report } = record;
    const peer = new DestinationPeer(order);
    switch (step.action) {
      case 'wait':
        return this.pause(migrationId, POLL_MS);
      case 'enter':
        if (step.phase === 'prepare') await this.transfers.beginLeaving(vmId, order.sourceEpoch, migrationId);
        return this.enter(migrationId, { phase: step.phase, report: this.phaseReport(record, step.phase) });
      case 'enter_perform':
        removeTokens(this.vms.disks, record);
        return this.enter(migrationId, { phase: 'perform', uri: step.uri, nbd: step.nbd });
      case 'ask_prepare':
        return this.askToPrepare(record, peer);
      case 'mirror_disks':
        return this.mirrorDisks(record);
      case 'ask_state':
        return this.ask(migrationId, peer.state());
      case 'ask_finish':
        return this.ask(migrationId, peer.finish());
      case 'ask_discard':
        return this.ask(migrationId, peer.discard());
      case 'migrate':
        return this.migrate(record, step.uri);
      case 'cancel_migration':
        await this.vms.processOf(vmId).cancelMigration();
        return this.pause(migrationId, POLL_MS);
      case 'begin_anew':
        return this.beginAnew(record, peer);
      case 'recover':
        return this.recover(record, peer);
      case 'time_out':
        return this.update(migrationId, { cancel: 'timeout' });
      case 'abort': {
        removeTokens(this.vms.disks, record);
        if (record.mirroring) await this.endMirrors(record);
        // The VM stays whatever becomes of the rest: the controller may know now.
        await this.transfers.stays(vmId, migrationId);
        await this.undo(record, true);
        const failed = { ...record, error: step.error };
        return this.enter(migrationId, { phase: 'abort', error: step.error, report: stayedReport(failed) });
      }
      case 'keep_checkpoint':
        return this.keepCheckpoint(record);
      case 'quit_source':
        await this.undo(record, false);
        await this.leave(record);
        if (order.checkpointLimitMiB > 0) return this.checkpoints.keepWithin(order.checkpointLimitMiB);
        return this.checkpoints.remove(vmId, 'its migration policy says so');
      case 'end_stays':
        return this.end(migrationId, { error: record.error, report });
      case 'end_left':
        if (step.error) await this.transfers.lost(vmId, migrationId, step.error.message);
        else await this.leave(record);
        return this.end(migrationId, { error: step.error, report: endReport(report, step.error) });
    }
  }

  private async migrate(record: MigrationRecord, uri: string): Promise<void> {
    const { migrationId, vmId, order } = record;
    const process = this.vms.processOf(vmId);
    const { means } = order.convergence;
    const mirroredDisks = copiedDisks(record).map(({ name }) => name);
    const all = means.length > 0 ? await this.converger.meansAtHand(process) : [];
    // A disk is the destination's at the switchover: it cannot follow, and is not copied once more.
    const atHand = all.filter((each) => mirroredDisks.length === 0 || (each.inFlight && each.means !== 'post_copy'));
    this.update(migrationId, { atHand });
    const id = attemptId(record);
    const tls = this.passages.tlsFor(order);
    const where = await this.passages.uriOf(record, uri);
    await process.migrate({ ...order, migrationId: id, uri: where, means: meansWanted(record), mirroredDisks, tls });
  }

  /** With means that the process could not change in flight. The destination's process is started anew, too. */
  private async beginAnew(record: MigrationRecord, peer: DestinationPeer): Promise<void> {
    const { migrationId, attempt } = record;
    await this.ask(migrationId, peer.discard());
    if (this.running.get(migrationId)!.answer.kind === 'unreachable') return;
    this.running.get(migrationId)!.answer = { kind: 'not_asked' };
    this.converger.restarted(migrationId);
    this.enter(migrationId, { phase: 'prepare', attempt: attempt + 1, isRestarting: false, uri: null });
  }

  private async recover(record: MigrationRecord, peer: DestinationPeer): Promise<void> {
    const { migrationId, vmId, paused } = record;
    this.update(migrationId, { paused: { sinceMs: Date.now(), attempts: (paused?.attempts ?? 0) + 1 } });
    const state = await peer.state();
    this.running.get(migrationId)!.answer = state;
    if (state.kind === 'gone' || (state.kind === 'running' && (state.isComplete || state.hasEnded))) return; // nothing to recover
    const answer = await peer.recover();
    if (answer.kind !== 'prepared')
      throw new Error(`the destination cannot go on: ${'message' in answer ? answer.message : answer.kind}`);
    await this.vms.processOf(vmId).resumeMigration(await this.passages.uriOf(record, answer.uri));
    await this.pause(migrationId, POLL_MS);
  }

  private async undo(record: MigrationRecord, stays: boolean): Promise<void> {
    try {
      await this.converger.undo(record, this.vms.process(record.vmId), stays);
    } catch (error) {
      const { migrationId, vmId } = record;
      this.log.warn({ migrationId, vmId }, `not all is as it was before the migration: ${(error as Error).message}`);
    }
  }

  private async askToPrepare(record: MigrationRecord, peer: DestinationPeer): Promise<void> {
    const devices = await this.vms.processOf(record.vmId).devices();
    const disks = await showTokens(this.vms.disks, record);
    return this.ask(record.migrationId, peer.prepare({ devices: [...devices], disks, means: meansWanted(record) }));
  }

  private async mirrorDisks(record: MigrationRecord): Promise<void> {
    const { migrationId, vmId, nbd, order } = record;
    this.update(migrationId, { mirroring: { failure: null } }); // a copy that is not found from here on has failed
    const process = this.vms.processOf(vmId);
    try {
      await process.endMirrors(); // of an earlier migration
      const tls = this.passages.tlsFor(order);
      await process.mirrorDisks(await this.passages.disksOf(record), nbd!.exports, order.bandwidthMiBps, tls);
    } catch (error) {
      this.update(migrationId, { mirroring: { failure: (error as Error).message } });
    }
  }

  /** Those that go on by themselves end with the destination's process. */
  private async endMirrors({ migrationId, vmId }: MigrationRecord): Promise<void> {
    const failed = (error: Error) => this.log.debug({ migrationId, vmId }, error.message);
    await this.vms.process(vmId)?.endMirrors().catch(failed);
  }

  /** The VM has left, and that is told now; it may even come back before all of its memory is written. */
  private async keepCheckpoint(record: MigrationRecord): Promise<void> {
    const { migrationId, vmId, order, report } = record;
    await this.undo(record, false);
    await this.transfers.hasLeft(vmId, migrationId);
    this.update(migrationId, { checkpoint: { sinceMs: Date.now() }, report: endReport(report, null) });
    try {
      await this.vms.processOf(vmId).saveCheckpoint(order.checkpointLimitMiB * MIB);
    } catch (error) {
      this.log.info({ migrationId, vmId }, `its memory is not kept: ${(error as Error).message}`);
    }
  }

  /** The VM runs at the destination, with the disks that were copied: what is here of them is of no use. */
  private async leave(record: MigrationRecord): Promise<void> {
    const { vmId, migrationId, order } = record;
    await this.transfers.left(vmId, migrationId, order.epoch);
    await this.transfers.ifGone(vmId, () => this.vms.disks.remove(vmId, copiedDisks(record)));
  }

  private async ask(migrationId: string, asked: Promise<DestinationAnswer>): Promise<void> {
    const answer = await asked;
    this.running.get(migrationId)!.answer = answer;
    if (['unreachable', 'waiting', 'loaded'].includes(answer.kind)) await this.pause(migrationId, ASK_AGAIN_MS);
  }

  /** Waits, unless somebody has a reason to look at the migration at once. */
  private pause(migrationId: string, ms: number): Promise<void> {
    return this.running.get(migrationId)!.wakeup.pause(ms);
  }

  private phaseReport(
    { migrationId, phase, report }: MigrationRecord,
    next: 'prepare' | 'postcopy' | 'finish' | 'confirm',
  ) {
    const { letGoAtMs } = this.running.get(migrationId)!;
    const isHandedOver = phase === 'finish' && next === 'confirm' && letGoAtMs !== null;
    return phaseReport(isHandedOver ? withHandover(report, performance.now() - letGoAtMs) : report, next);
  }

  private enter(migrationId: string, change: Partial<MigrationRecord> & Pick<MigrationRecord, 'phase'>): void {
    this.update(migrationId, change);
  }

  /** Ends it, with what both ends have to say of it. */
  private async end(migrationId: string, { error, report }: Pick<MigrationRecord, 'error' | 'report'>): Promise<void> {
    const { vmId, order } = this.store.get(migrationId)!;
    this.log.info({ migrationId, vmId, status: report.status, error }, 'migration ended');
    const process = this.vms.record(vmId)?.process;
    const own = this.migrationLog.of(migrationId, process ? lastLines(process.log, PROCESS_LINES) : []);
    const log = [
      ...own.map((line) => ({ ...line, side: 'source' as const })),
      ...(await new DestinationPeer(order).log()),
    ];
    this.passages.close(migrationId);
    this.update(migrationId, { phase: 'ended', error, report: { ...report, log } });
  }

  private update(migrationId: string, change: Partial<MigrationRecord>): void {
    this.store.put(migrationId, { ...this.store.get(migrationId)!, ...change });
  }

  private find(migrationId: string): MigrationRecord {
    const record = this.store.get(migrationId);
    if (!record) throw new VmRefusal('not_found', `this host does not carry out a migration ${migrationId}`);
    return record;
  }
}

/** Phases in which what is changed has an effect. */
const HAS_LIMITS: ReadonlySet<MigrationPhase> = new Set(['begin', 'prepare', 'perform', 'postcopy']);
const COPYING: DiskState = { status: 'running' };
/** What both ends have to be ready for. */
const meansWanted = ({ order, report }: MigrationRecord): MeansWanted => ({
  allowed: order.convergence.means.map(({ means }) => means),
  begunWith: report.decisions.filter(({ restarted }) => restarted).map(({ means, value }) => ({ means, value })),
});

const UNKNOWN: SourceMigration = { status: 'unknown' };
