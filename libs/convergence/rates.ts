/** What the figures of a migration say about link and guest: at the boundaries of passes, and by the clock between them. */
import type { ConvergenceFacts, MigrationDecision } from '#contracts';

type Pass = ConvergenceFacts['passes'][number];

export interface Rates {
  /** Content of pages that reaches the destination in a millisecond; null: nothing has been sent yet. */
  readonly bytesPerMs: number | null;
  /** Distinct pages that the guest wrote in passes; null: none has ended. */
  readonly dirtyBytesPerMs: number | null;
  /** What it writes at most, however long a pass takes: the same pages again and again. */
  readonly hotBytes: number;
  /** Since the present pass began, and until it ends. */
  readonly passMs: number;
  readonly restMs: number;
  /** Bytes that the guest has written since the present pass began, at most. */
  readonly rewrittenBytes: number;
  /** How many of the decisions had an effect on these figures already. */
  readonly decisionsMeasured: number;
}

/** A bandwidth is taken from at least this much, where there is: a pass of three pages measures latency. */
const ENOUGH_BYTES = 4 * 2 ** 20;
/** Over how many passes the guest's writing is averaged: more than one swing of a saw-tooth. */
const PASSES_AVERAGED = 6;
/** A pass that is this much longer than the one before is judged by the clock. */
const LONG_PASS = 2;
/** Time over which the clock measures a bandwidth, or more, until ENOUGH_BYTES were carried: links stop for a moment. */
const CLOCK_MS = 2000;
/** Shorter than that, and a pass says nothing about its speed. */
const SHORTEST_MS = 50;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** `failure` of a decision: it has changed nothing. */
export const effective = (decisions: readonly MigrationDecision[]) =>
  decisions.filter(({ failure }) => failure === null);

export function measure(facts: ConvergenceFacts, nowMs: number): Rates {
  const decisions = effective(facts.decisions);
  const { passes, decisionsMeasured } = latestPasses(facts.passes, decisions);
  const last = facts.passes.at(-1);
  const passMs = Math.max(0, nowMs - facts.passStartedAtMs);
  const isLong = !last || passMs > LONG_PASS * last.durationMs;
  const contentOfByte = last && last.bytes > 0 ? last.contentBytes / last.bytes : 1;
  const byPasses = bandwidthOf(passes);
  const byClock = clockBandwidth(facts.samples, nowMs);
  const bytesPerMs = byClock !== null && (isLong || byPasses === null) ? byClock * contentOfByte : byPasses;

  const beganWith = last?.dirtyBytes ?? facts.totalBytes;
  const doneBytes = Math.max(0, beganWith - facts.remainingBytes);
  // Zero pages take no time: a pass over them is faster than its bandwidth.
  const passSpeed = passMs > SHORTEST_MS ? doneBytes / passMs : 0;
  const speed = Math.max(passSpeed, bytesPerMs ?? 0);
  const sentInPass = last ? doneBytes : Math.min(doneBytes, facts.samples.at(-1)?.bytes ?? 0);
  // The first pass goes over all of the memory; what nobody has ever touched of it is zero, wherever that lies.
  const contentBytes = last || facts.usedBytes === undefined ? Infinity : Math.max(0, facts.usedBytes - sentInPass);
  const contentMs = contentBytes / (bytesPerMs ?? speed);
  const dirtyBytesPerMs = dirtyRateOf(passes);
  const rate = higher(dirtyBytesPerMs, facts.dirtyBytesPerMs);
  return {
    bytesPerMs,
    dirtyBytesPerMs,
    hotBytes: hotBytesOf(facts),
    passMs,
    restMs: speed > 0 ? Math.min(facts.remainingBytes / speed, contentMs) : Infinity,
    rewrittenBytes: rate === null ? sentInPass : Math.min(facts.usedBytes ?? facts.totalBytes, rate * passMs),
    decisionsMeasured,
  };
}

/** Of two figures the higher, or the one that there is. */
export const higher = (a: number | null, b: number | null) => (a === null || b === null ? (a ?? b) : Math.max(a, b));

/** A pass that left less than this share of what was written meanwhile saw pages written more than once. */
const REWRITTEN = 0.8;

function hotBytesOf({ passes, dirtyBytesPerMs, totalBytes }: ConvergenceFacts): number {
  const latest = passes.slice(-PASSES_AVERAGED);
  const largest = latest.toSorted((a, b) => a.dirtyBytes - b.dirtyBytes).at(-1);
  if (!largest || dirtyBytesPerMs === null) return totalBytes;
  const isSaturated = largest.dirtyBytes < REWRITTEN * dirtyBytesPerMs * largest.durationMs;
  return isSaturated ? largest.dirtyBytes : totalBytes;
}

/** The passes since the last decision that a whole pass has followed; a pass in which one fell is neither this nor that. */
function latestPasses(passes: readonly Pass[], decisions: readonly MigrationDecision[]) {
  for (let count = decisions.length; count > 0; count--) {
    const since = passes.filter(({ number }) => number > decisions[count - 1]!.pass + 1);
    if (since.length > 0) return { passes: since, decisionsMeasured: count };
  }
  const before = decisions[0] ? passes.filter(({ number }) => number <= decisions[0]!.pass) : passes;
  return { passes: before, decisionsMeasured: 0 };
}

function bandwidthOf(passes: readonly Pass[]): number | null {
  let contentBytes = 0;
  let durationMs = 0;
  for (const pass of passes.toReversed()) {
    contentBytes += pass.contentBytes;
    durationMs += pass.durationMs;
    if (contentBytes >= ENOUGH_BYTES) break;
  }
  return contentBytes > 0 && durationMs > 0 ? contentBytes / durationMs : null;
}

/** The last pass or the average, whichever is worse: a guest that pauses for one pass has not calmed down. */
function dirtyRateOf(passes: readonly Pass[]): number | null {
  const latest = passes.slice(-PASSES_AVERAGED);
  const last = latest.at(-1);
  const durationMs = sum(latest.map((pass) => pass.durationMs));
  if (!last || durationMs === 0) return null;
  const average = sum(latest.map(({ dirtyBytes }) => dirtyBytes)) / durationMs;
  return Math.max(average, last.durationMs > 0 ? last.dirtyBytes / last.durationMs : 0);
}

function clockBandwidth(samples: ConvergenceFacts['samples'], nowMs: number): number | null {
  const last = samples.at(-1);
  if (!last) return null;
  const recent = samples.find(({ atMs }) => atMs >= nowMs - CLOCK_MS) ?? last;
  const enough = samples.findLast(({ bytes }) => last.bytes - bytes >= ENOUGH_BYTES) ?? samples[0]!;
  const first = enough.atMs < recent.atMs ? enough : recent;
  if (last.atMs - first.atMs < SHORTEST_MS || last.bytes === first.bytes) return null;
  return (last.bytes - first.bytes) / (last.atMs - first.atMs);
}

/** Longest silence of a link that may carry a guest's missing pages. */
const HEALTHY_SILENCE_MS = 1500;
/** And how far back it counts. */
const SILENCE_REMEMBERED_MS = 30_000;

/** Null if the link has carried bytes without a break; else what is wrong with it. */
export function linkTrouble(samples: ConvergenceFacts['samples'], nowMs: number): string | null {
  const recent = samples.filter(({ atMs }) => atMs >= nowMs - SILENCE_REMEMBERED_MS);
  let longestMs = 0;
  let movedAtMs = recent[0]?.atMs ?? nowMs;
  let bytes = recent[0]?.bytes ?? 0;
  for (const sample of recent) {
    longestMs = Math.max(longestMs, sample.atMs - movedAtMs);
    if (sample.bytes === bytes) continue;
    movedAtMs = sample.atMs;
    bytes = sample.bytes;
  }
  return longestMs > HEALTHY_SILENCE_MS ? `the link was silent for ${Math.round(longestMs)} ms a moment ago` : null;
}
