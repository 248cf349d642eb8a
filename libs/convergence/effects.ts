/** What each means does to a migration: the model by which means are compared before one is applied. */
import type { AllowedMeans, ConvergenceFacts, Means, MigrationDecision } from '#contracts';
import { type Estimate, type Outlook, precopyEstimate } from './estimate.js';
import type { Rates } from './rates.js';

/** A step: a means with how much of it (see MigrationDecision.value). */
export interface Step {
  readonly means: Means;
  readonly value: number | null;
}

/** Those that only cost the hosts something, not the guest. */
const FREE: ReadonlySet<Means> = new Set(['multifd', 'compression', 'xbzrle']);
/** Those that end a migration in a time that depends on the link alone. */
const CERTAIN: ReadonlySet<Means> = new Set(['post_copy', 'suspend']);
export const isFree = (means: Means) => FREE.has(means);
export const isCertain = (means: Means) => CERTAIN.has(means);

/** The guest's pause at the start of post-copy: state of the devices and a list of pages, no page itself. */
const POSTCOPY_DOWNTIME_MS = 100;
/** Assumed while no page has been sampled. */
const COMPRESSED_SHARE = 0.5;
const DELTA_SHARE = 0.3;
/** What a thread compresses in a millisecond (zstd 1 on pages). */
const COMPRESSED_BYTES_PER_MS = 120_000;
/** How much worse lost time is in post-copy: whoever loses either host or the link then loses the VM. */
const POSTCOPY_RISK = 1.5;
/** What several connections gain on a link that no limit holds back. */
const MULTIFD_GAIN = 1.3;
const MIB = 2 ** 20;

/** All steps of a means that go beyond `applied`, the mildest first. */
export function stepsOf(allowed: AllowedMeans, facts: ConvergenceFacts, applied: readonly Step[]): Step[] {
  const { means } = allowed;
  const before = Math.max(...applied.filter((step) => step.means === means).map(({ value }) => value ?? Infinity), 0);
  return valuesOf(allowed, facts)
    .filter((value) => (value === null ? before === 0 : value > before))
    .map((value) => ({ means, value }));
}

function valuesOf(allowed: AllowedMeans, { vcpus, downtimeLimitMs, passes }: ConvergenceFacts): (number | null)[] {
  const rewrittenMiB = (passes.at(-1)?.dirtyBytes ?? Infinity) / MIB;
  switch (allowed.means) {
    case 'multifd':
      return [allowed.channels];
    case 'compression':
      return [allowed.threads];
    case 'xbzrle':
      return [Math.min(allowed.cacheMiB, cacheFor(rewrittenMiB))];
    case 'downtime_limit':
      return allowed.stepsMs.filter((ms) => ms > downtimeLimitMs);
    case 'throttle':
    case 'cpu_limit': {
      const { initialPercent, incrementPercent, maximumPercent } = allowed;
      const steps = Math.max(0, Math.ceil((maximumPercent - initialPercent) / incrementPercent));
      return Array.from({ length: steps + 1 }, (_, n) =>
        Math.min(maximumPercent, initialPercent + n * incrementPercent),
      );
    }
    case 'offline_vcpus':
      return Array.from({ length: Math.max(0, vcpus - allowed.minimumOnline) }, (_, n) => n + 1);
    case 'post_copy':
    case 'suspend':
      return [null];
  }
}

/** What the effect of a means depends on. */
export type EffectFacts = Pick<
  ConvergenceFacts,
  'bandwidthMiBps' | 'compressedShare' | 'deltaShare' | 'passes' | 'vcpus'
>;

/** The smallest cache, a power of two in MiB, that holds so much. */
const cacheFor = (rewrittenMiB: number): number => 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, rewrittenMiB))));

/** The outlook with `step` applied. `applied`: what the outlook has in it already. */
export function withStep(
  outlook: Outlook,
  { means, value }: Step,
  facts: EffectFacts,
  applied: readonly Step[],
): Outlook {
  const { bytesPerMs, dirtyBytesPerMs } = outlook;
  const before = applied.findLast((step) => step.means === means)?.value ?? 0;
  switch (means) {
    case 'multifd':
      return facts.bandwidthMiBps === null ? { ...outlook, bytesPerMs: bytesPerMs * MULTIFD_GAIN } : outlook;
    case 'compression': {
      const carried = bytesPerMs / (facts.compressedShare ?? COMPRESSED_SHARE);
      return { ...outlook, bytesPerMs: Math.max(bytesPerMs, Math.min(carried, value! * COMPRESSED_BYTES_PER_MS)) };
    }
    case 'xbzrle': {
      const rewritten = facts.passes.at(-1)?.dirtyBytes ?? 0;
      const hits = rewritten > 0 ? Math.min(1, (value! * MIB) / rewritten) : 1;
      return { ...outlook, bytesPerMs: bytesPerMs / (1 - hits * (1 - (facts.deltaShare ?? DELTA_SHARE))) };
    }
    case 'downtime_limit':
      return { ...outlook, downtimeLimitMs: value! };
    case 'throttle':
    case 'cpu_limit':
      return { ...outlook, dirtyBytesPerMs: (dirtyBytesPerMs * (100 - value!)) / (100 - before) };
    case 'offline_vcpus':
      return { ...outlook, dirtyBytesPerMs: (dirtyBytesPerMs * (facts.vcpus - value!)) / (facts.vcpus - before) };
    case 'post_copy':
    case 'suspend':
      return outlook;
  }
}

/** How the migration would end if `step` were taken now. `fromStart`: it would have to be cancelled and begun again. */
export function estimateStep(
  outlook: Outlook,
  step: Step,
  facts: ConvergenceFacts,
  applied: readonly Step[],
  rates: Pick<Rates, 'restMs' | 'rewrittenBytes'>,
  fromStart: boolean,
): Estimate {
  const then = withStep(outlook, step, facts, applied);
  // A cache is empty at first: what is sent once more by then fills it.
  const fills = step.means === 'xbzrle';
  const speedup = fills ? 1 : then.bytesPerMs / outlook.bytesPerMs;
  const restMs = (fromStart ? facts.totalBytes / outlook.bytesPerMs : rates.restMs) / speedup;
  const writtenBytes = fromStart ? 0 : rates.rewrittenBytes;
  if (step.means === 'post_copy') {
    const allMs = restMs + writtenBytes / then.bytesPerMs;
    return {
      totalMs: allMs,
      downtimeMs: POSTCOPY_DOWNTIME_MS,
      lostMs: POSTCOPY_DOWNTIME_MS + allMs * waitingShare(then),
    };
  }
  const nextBytesPerMs = fills ? outlook.bytesPerMs : then.bytesPerMs;
  // The guest is stopped when the present pass has ended.
  const ending = step.means === 'suspend' ? { ...then, downtimeLimitMs: Infinity } : then;
  return precopyEstimate(
    ending,
    { restMs, writtenBytes, nextBytesPerMs },
    slowedShare([...applied, step], facts.vcpus),
  );
}

/**
 * Of a guest's time in post-copy, what it waits for pages: for each that it writes, as long as the link takes to bring one,
 * between two of which it works as long as it takes to write one.
 */
const waitingShare = ({ bytesPerMs, dirtyBytesPerMs }: Outlook): number =>
  dirtyBytesPerMs / (dirtyBytesPerMs + bytesPerMs);

/** Part of the guest's time that steps take from it. */
export function slowedShare(steps: readonly Step[], vcpus: number): number {
  const left = (means: Means, all: number) => 1 - (steps.findLast((step) => step.means === means)?.value ?? 0) / all;
  return 1 - left('throttle', 100) * left('cpu_limit', 100) * left('offline_vcpus', vcpus);
}

/**
 * What a step costs the guest: by how much longer something takes that the guest does meanwhile. A guest that hardly runs
 * loses hardly more time than one that runs at half its speed, but nobody gets an answer from it.
 */
export function costMs({ means }: Step, { totalMs, downtimeMs, lostMs }: Estimate): number {
  const runningMs = totalMs - downtimeMs;
  if (!Number.isFinite(runningMs)) return Infinity;
  const slowedMs = Math.max(0, lostMs - downtimeMs);
  const longerMs = slowedMs === 0 ? 0 : (runningMs * slowedMs) / Math.max(1, runningMs - slowedMs);
  return downtimeMs + longerMs * (means === 'post_copy' ? POSTCOPY_RISK : 1);
}

/** A figure that is lower than this share of what it was has become better. */
const HELPED = 0.95;

/**
 * Whether a decision has lowered what the guest writes against what the link carries, or the pause that the rest would
 * need; null: no pass tells yet. A longer downtime limit is not meant to.
 */
export function hasHelped(decision: MigrationDecision, facts: ConvergenceFacts): boolean | null {
  if (decision.failure !== null) return false;
  const after = facts.passes.filter(({ number }) => number > decision.pass + 1).slice(0, 3);
  const before = facts.passes.filter(({ number }) => number <= decision.pass).slice(-3);
  if (after.length === 0 || before.length === 0) return null;
  return load(after) < load(before) * HELPED || pauseMs(after.at(-1)!) < pauseMs(before.at(-1)!) * HELPED;
}

type Pass = ConvergenceFacts['passes'][number];

/** Bytes written for each that was sent. */
function load(passes: readonly Pass[]): number {
  const sent = passes.reduce((total, { contentBytes }) => total + contentBytes, 0);
  const written = passes.reduce((total, { dirtyBytes }) => total + dirtyBytes, 0);
  return sent > 0 ? written / sent : 0;
}

/** How long the guest would have to stand still after that pass. */
const pauseMs = ({ contentBytes, dirtyBytes, durationMs }: Pass) =>
  contentBytes > 0 ? (dirtyBytes * durationMs) / contentBytes : 0;
