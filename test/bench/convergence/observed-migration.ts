/** One migration as an agent sees it: looked at again and again, and something is decided about it by the same function. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConvergenceFacts, MeansAtHand, MigrationDecision } from '#contracts';
import { decide } from '#convergence';
import type { PageShares } from '#hypervisor';
import { Observation } from '../../../apps/agent/migration/convergence/observation.js';
import { DirtyRateMeter } from '../../../libs/hypervisor/dirty-rate-meter.js';
import { applyMeans, type Execute, listMeans } from '../../../libs/hypervisor/migration-means.js';
import { PassLog } from '../../../libs/hypervisor/qemu-passes.js';
import { outgoingFigures, type QueryMigrate } from '../../../libs/hypervisor/query-migrate.js';
import { incomingUri } from '../migrate.js';
import { DROVER } from '../programs.js';
import type { VmProcess } from '../vm-process.js';
import { BANDWIDTH_MIBPS, policyOf, type Approach, type Guest } from './cases.js';

const MIB = 2 ** 20;
const LOOK_MS = 100;
/** Longer, and it is given up. */
const MOST_MS = 60_000;
/** Any rest is sent in this. */
const ENDLESS_PAUSE_MS = 2_000_000;

export interface PageWaits {
  readonly blockedMs: number;
  readonly medianUs: number;
  /** Of those that were not on their way already; null if there were none. */
  readonly fetchedMedianUs: number | null;
}

export interface Outcome {
  readonly hasEnded: boolean;
  readonly totalMs: number;
  readonly pauseMs: number | null;
  readonly sentMiB: number;
  /** In post-copy, as the destination tells: for how long harts waited for pages, and the median of all waits. */
  readonly waits: PageWaits | null;
  /** What was applied on the way. */
  readonly steps: readonly string[];
}

const executeOf =
  (vm: VmProcess): Execute =>
  (command, given) =>
    vm.qmp.execute(command, given);

/** Has both ends ready for the approach. */
async function prepare(ends: readonly VmProcess[], { capabilities = [], parameters = {}, program, policy }: Approach) {
  const ofPolicy = program === DROVER && policy !== undefined ? ['postcopy-ram'] : [];
  const wanted = [...new Set([...capabilities, ...ofPolicy])].map((capability) => ({ capability, state: true }));
  for (const { qmp } of ends) {
    if (wanted.length > 0) await qmp.execute('migrate-set-capabilities', { capabilities: wanted });
    if (Object.keys(parameters).length > 0) await qmp.execute('migrate-set-parameters', parameters);
  }
}

/** Moves the guest. Resolves when it runs at the destination, or the attempt was given up; throws if it fails. */
export async function moveBy(
  approach: Approach,
  guest: Guest,
  source: VmProcess,
  destination: VmProcess,
): Promise<Outcome> {
  await prepare([source, destination], approach);
  await source.qmp.execute('migrate-set-parameters', {
    ...{ 'max-bandwidth': BANDWIDTH_MIBPS * MIB, 'max-postcopy-bandwidth': BANDWIDTH_MIBPS * MIB },
    'downtime-limit': approach.downtimeLimitMs,
  });
  const policy = policyOf(approach, guest);
  const move = new Move(approach, guest, source, policy ? await atHandOf(source, approach) : []);
  const startedAt = performance.now();
  await source.qmp.execute('migrate', { uri: await incomingUri(destination) });
  for (;;) {
    const answer = await move.look();
    const { status } = answer;
    const sentMiB = (answer.ram?.transferred ?? 0) / MIB;
    const totalMs = performance.now() - startedAt;
    if (status === 'failed') throw new Error(`the migration failed: ${answer['error-desc'] ?? 'no reason'}`);
    if (status === 'completed') {
      const hasResumed = destination.events.some(({ event }) => event === 'RESUME');
      if (hasResumed) {
        const pauseMs = destination.eventMs('RESUME') - source.eventMs('STOP');
        const waits = await waitsOf(destination);
        return { hasEnded: true, totalMs: answer['total-time'] ?? totalMs, pauseMs, sentMiB, waits, steps: move.steps };
      }
    } else if (totalMs > MOST_MS && status === 'active') {
      await source.qmp.execute('migrate_cancel');
      return { hasEnded: false, totalMs, pauseMs: null, sentMiB, waits: null, steps: move.steps };
    }
    await sleep(LOOK_MS);
  }
}

/** Null if no hart had to wait, or the program does not tell. */
async function waitsOf({ qmp }: VmProcess): Promise<PageWaits | null> {
  const answer = await qmp.execute<Waits>('query-migrate');
  const { missLatencyMedianUs: medianUs = null, fetchLatencyMedianUs: fetchedMedianUs = null } =
    answer['x-drover-incoming'] ?? {};
  const harts = answer['postcopy-vcpu-blocktime'];
  if (!harts || medianUs === null) return null;
  return { blockedMs: harts.reduce((sum, ms) => sum + ms, 0), medianUs, fetchedMedianUs };
}

interface Waits {
  readonly 'postcopy-vcpu-blocktime'?: readonly number[];
  readonly 'x-drover-incoming'?: {
    readonly missLatencyMedianUs: number | null;
    readonly fetchLatencyMedianUs: number | null;
  };
}

async function atHandOf(vm: VmProcess, { capabilities = [] }: Approach): Promise<MeansAtHand[]> {
  const begunWith = capabilities.map((capability) => (capability === 'multifd' ? ['multifd', 'compression'] : []));
  const listed = await listMeans(executeOf(vm), false);
  // What cannot be changed in flight has been begun with, or is left alone: nothing is begun anew here.
  return listed.filter(({ means, inFlight }) => inFlight && !begunWith.flat().includes(means));
}

class Move {
  readonly steps: string[] = [];
  private readonly observation = new Observation(Date.now());
  private readonly passes = new PassLog();
  private readonly startedAtMs = Date.now();
  private readonly rate: DirtyRate;
  private decisions: MigrationDecision[] = [];
  private downtimeLimitMs: number;
  private isFirstPassOver = false;

  constructor(
    private readonly approach: Approach,
    private readonly guest: Guest,
    private readonly source: VmProcess,
    private readonly atHand: readonly MeansAtHand[],
  ) {
    this.downtimeLimitMs = approach.downtimeLimitMs;
    this.rate = new DirtyRate(executeOf(source), approach.program === DROVER);
  }

  /** Notes the present figures, and does about them what the approach wants. */
  async look(): Promise<QueryMigrate> {
    const answer = await executeOf(this.source)<QueryMigrate>('query-migrate');
    const own = outgoingFigures(answer);
    if (!own || own.status !== 'active') return answer;
    const ended = this.passes.note(answer, performance.now());
    const figures = this.approach.program === DROVER ? own : { ...own, iterations: ended };
    const nowMs = Date.now();
    const policy = policyOf(this.approach, this.guest);
    if (policy && this.approach.program === DROVER && this.observation.isInFirstPass)
      this.observation.shares = await executeOf(this.source)<PageShares>('x-drover-sample-pages');
    this.observation.note(figures, policy ? await this.rate.read() : null, nowMs);
    const { shares } = this.observation;
    if (figures.iterations.length > 0 && !this.isFirstPassOver) {
      this.isFirstPassOver = true;
      await this.afterFirstPass();
    }
    if (!policy) return answer;
    const facts: ConvergenceFacts = {
      ...this.observation.facts,
      ...{ startedAtMs: this.startedAtMs, phase: 'precopy', vcpus: 1, atHand: [...this.atHand] },
      ...{ totalBytes: figures.totalBytes, remainingBytes: figures.remainingBytes },
      usedBytes: this.source.residentMiB() * MIB,
      ...{ downtimeLimitMs: this.downtimeLimitMs, bandwidthMiBps: BANDWIDTH_MIBPS },
      compressedShare: figures.compressedShare ?? shares?.compressedShare ?? null,
      deltaShare: figures.deltaShare ?? shares?.deltaShare ?? null,
      decisions: this.decisions,
    };
    const { step, reason, figures: because } = decide(facts, policy, nowMs);
    if (!step) return answer;
    this.observation.decided();
    const applied = await applyMeans(executeOf(this.source), step as Parameters<typeof applyMeans>[1]).then(
      () => null,
      (error: Error) => error.message,
    );
    if (step.means === 'downtime_limit') this.downtimeLimitMs = step.value!;
    const pass = facts.passes.at(-1)?.number ?? 0;
    const number = this.decisions.length + 1;
    const decision = { ...step, number, at: new Date(nowMs).toISOString(), by: 'agent', restarted: false } as const;
    this.decisions = [...this.decisions, { ...decision, reason, figures: because, pass, failure: applied }];
    this.steps.push(
      `${step.means}${step.value === null ? '' : ` ${step.value}`}${applied === null ? '' : ' (refused)'}`,
    );
    return answer;
  }

  private async afterFirstPass(): Promise<void> {
    const { qmp } = this.source;
    const pause = (ms: number) => qmp.execute('migrate-set-parameters', { 'downtime-limit': ms });
    if (this.approach.afterFirstPass === 'post_copy') await qmp.execute('migrate-start-postcopy');
    else if (this.approach.afterFirstPass === 'suspend') await pause(ENDLESS_PAUSE_MS);
    else if (this.approach.afterFirstPass === 'long_pause') await pause(2000);
  }
}

/** What the guest writes, in MiB/s, as each program tells it. */
class DirtyRate {
  private readonly meter = new DirtyRateMeter();
  private measured: number | null = null;

  constructor(
    private readonly execute: Execute,
    private readonly isDrover: boolean,
  ) {}

  /** Since it was read last; null: nothing is known yet. */
  async read(): Promise<number | null> {
    return this.isDrover ? this.count() : this.sample();
  }

  private async count(): Promise<number | null> {
    type Stats = { readonly 'dirtied-pages': number; readonly 'time-ms': number };
    const { 'dirtied-pages': pages, 'time-ms': atMs } = await this.execute<Stats>('x-drover-stats');
    return this.meter.note({ pages, atMs });
  }

  private async sample(): Promise<number | null> {
    const { status, 'dirty-rate': rate } = await this.execute<{ status: string; 'dirty-rate'?: number }>(
      'query-dirty-rate',
    );
    if (status === 'measuring') return this.measured;
    if (status === 'measured') this.measured = rate ?? null;
    await this.execute('calc-dirty-rate', { 'calc-time': 1 });
    return this.measured;
  }
}
