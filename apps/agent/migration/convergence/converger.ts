/** Applies means to migrations that leave this host, and undoes on every ending what the process itself does not. */
import type { ConvergenceFacts, MeansAtHand, Means } from '#contracts';
import { VcpuLimit, type OutgoingFigures, type VmProcess } from '#hypervisor';
import type { MigrationRecord } from '../migration-record.js';
import type { DestinationPeer } from '../peer.js';
import { Observation } from './observation.js';
import { residentMiBOf } from './resident.js';
import { chooseOfflinable, countOfflinable, setOnline } from './vcpus.js';

const MIB = 2 ** 20;

/** Beside what the process does by itself. */
export interface AppliedOutside {
  /** vCPUs that the guest has offline for the migration's time. */
  readonly offlineVcpus: readonly number[];
}

export interface StepToApply {
  readonly means: Means;
  readonly value: number | null;
}

export class Converger {
  private readonly observations = new Map<string, Observation>();

  constructor(private readonly vcpuLimit = new VcpuLimit()) {}

  /** What could be done about this VM's migration: asked before it begins. */
  async meansAtHand(process: VmProcess): Promise<MeansAtHand[]> {
    const atHand: MeansAtHand[] = await process.means(false);
    const has = (wanted: Means) => atHand.some(({ means }) => means === wanted);
    if (!has('offline_vcpus') && (await countOfflinable(process.guestAgent)) > 0)
      atHand.push({ means: 'offline_vcpus', inFlight: true });
    if (this.vcpuLimit.isPossible(process.handle.pid)) atHand.push({ means: 'cpu_limit', inFlight: true });
    return atHand;
  }

  /** What is known of a migration now, with these figures. */
  async look(record: MigrationRecord, process: VmProcess, figures: OutgoingFigures): Promise<ConvergenceFacts> {
    const nowMs = Date.now();
    const observation = this.observationOf(record.migrationId, nowMs);
    const isActive = figures.status === 'active';
    // The migration itself samples at the ends of its passes: too late for the first decision. Before the rate is read,
    // which begins the log anew.
    if (
      isActive &&
      observation.isInFirstPass &&
      record.order.convergence.means.some(({ means }) => isSampledFor(means))
    )
      observation.shares = await process.samplePages().catch(() => null);
    const dirtyRateMiBps = isActive ? await process.dirtyRateMiBps().catch(() => null) : null;
    const usedMiB = await residentMiBOf(process.handle.pid).catch(() => null); // it may have ended meanwhile
    observation.note(figures, dirtyRateMiBps, nowMs);
    const { shares } = observation;
    return {
      ...observation.facts,
      startedAtMs: Date.parse(record.startedAt),
      phase: PHASES[figures.status] ?? 'ending',
      totalBytes: figures.totalBytes,
      ...(usedMiB !== null && { usedBytes: usedMiB * MIB }),
      remainingBytes: figures.remainingBytes,
      downtimeLimitMs: record.order.downtimeLimitMs,
      bandwidthMiBps: record.order.bandwidthMiBps,
      vcpus: record.order.spec.vcpus,
      compressedShare: figures.compressedShare ?? shares?.compressedShare ?? record.order.compressedShare ?? null,
      deltaShare: figures.deltaShare ?? shares?.deltaShare ?? record.order.deltaShare ?? null,
      atHand: [...record.atHand],
      decisions: [...record.report.decisions],
    };
  }

  /** Rejects if it cannot be done; `note` writes down what has to be undone, before it is done. */
  async apply(
    { migrationId, order, outside }: MigrationRecord,
    { means, value }: StepToApply,
    process: VmProcess,
    peer: DestinationPeer,
    note: (outside: AppliedOutside) => void,
  ): Promise<void> {
    this.observationOf(migrationId, Date.now()).decided();
    if (means === 'cpu_limit') {
      const cores = (order.spec.vcpus * (100 - value!)) / 100;
      return this.vcpuLimit.set(process.handle.pid, await process.vcpuThreads(), cores);
    }
    const agent = process.guestAgent;
    if (means === 'offline_vcpus' && agent && (await countOfflinable(agent)) > 0) {
      const more = await chooseOfflinable(agent, value! - outside.offlineVcpus.length);
      const all = [...outside.offlineVcpus, ...more];
      await peer.restoreOnArrival(all);
      note({ offlineVcpus: all });
      return setOnline(agent, more, false);
    }
    const allowed = order.convergence.means.find((each) => each.means === means);
    const method = allowed?.means === 'compression' ? allowed.method : undefined;
    return process.applyMeans({ means, value, method });
  }

  /** The migration has begun anew. */
  restarted(migrationId: string): void {
    this.observations.get(migrationId)?.restarted(Date.now());
  }

  /** The guest has left, or stays: as it was. Rejects if the guest does not take its vCPUs back; ask again. */
  async undo({ migrationId, outside }: MigrationRecord, process: VmProcess | undefined, stays: boolean): Promise<void> {
    this.observations.delete(migrationId);
    if (!process) return;
    const threads = await process.vcpuThreads().catch(() => []);
    this.vcpuLimit.lift(process.handle.pid, threads);
    if (stays && outside.offlineVcpus.length > 0 && process.guestAgent)
      await setOnline(process.guestAgent, outside.offlineVcpus, true);
  }

  private observationOf(migrationId: string, nowMs: number): Observation {
    const observation = this.observations.get(migrationId) ?? new Observation(nowMs);
    this.observations.set(migrationId, observation);
    return observation;
  }
}

const isSampledFor = (means: Means): boolean => means === 'compression' || means === 'xbzrle';

const PHASES: Partial<Record<OutgoingFigures['status'], ConvergenceFacts['phase']>> = {
  setup: 'setup',
  active: 'precopy',
  postcopy: 'postcopy',
  postcopy_paused: 'postcopy',
};
