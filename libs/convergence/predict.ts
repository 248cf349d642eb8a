/** What a migration that has not begun would take. */
import { type Convergence, type ConvergenceFacts, type Means, type MeansAtHand, Means as AllMeans } from '#contracts';
import { decide } from './decide.js';
import { precopyEstimate } from './estimate.js';

/** A guest at rest on its host, and the link that its migration would use. */
export interface GuestFigures {
  /** Of its memory, what the host has backed: the rest is zero, and sent in no time. */
  readonly usedBytes: number;
  readonly totalBytes: number;
  readonly dirtyBytesPerMs: number;
  readonly bytesPerMs: number;
  readonly vcpus: number;
  readonly downtimeLimitMs: number;
  readonly compressedShare: number | null;
  readonly deltaShare: number | null;
  readonly atHand: readonly MeansAtHand[];
}

export interface Prediction {
  /** null: it would not end. */
  readonly totalMs: number | null;
  readonly downtimeMs: number | null;
  readonly transferredBytes: number | null;
  /** What has to be done about the guest for that; empty: nothing. */
  readonly means: { readonly means: Means; readonly value: number | null }[];
  readonly reason: string;
}

/** Steps taken one after the other at the most. */
const MOST_STEPS = AllMeans.options.length;

/** By the rule that will decide about the migration, applied to figures at rest. */
export function predict(guest: GuestFigures, policy: Convergence): Prediction {
  const { usedBytes, bytesPerMs, dirtyBytesPerMs, downtimeLimitMs } = guest;
  const firstPassMs = usedBytes / bytesPerMs;
  const plain = precopyEstimate({ ...guest, hotBytes: usedBytes }, { restMs: firstPassMs, writtenBytes: 0 });
  const deadlineMs = policy.deadlineSeconds * 1000;
  if (plain.totalMs <= deadlineMs) {
    const reason = `${rate(dirtyBytesPerMs)} MiB/s are written, ${rate(bytesPerMs)} MiB/s are sent: pre-copy alone ends`;
    const { totalMs, downtimeMs } = plain;
    return { totalMs, downtimeMs, transferredBytes: totalMs * bytesPerMs, means: [], reason };
  }
  const means: { means: Means; value: number | null }[] = [];
  let facts = factsAtRest(guest);
  for (let number = 1; number <= MOST_STEPS; number++) {
    const { step, reason, figures } = decide(facts, policy, firstPassMs);
    if (!step) {
      const total = figures.expectedTotalMs;
      const totalMs = total === null ? null : firstPassMs + total;
      const transferredBytes = totalMs === null ? null : totalMs * bytesPerMs;
      return { totalMs, downtimeMs: figures.expectedDowntimeMs, transferredBytes, means, reason };
    }
    means.push(step);
    const chosen = figures.candidates.find(({ verdict }) => verdict === '')!;
    if (chosen.totalMs !== null) {
      const totalMs = firstPassMs + chosen.totalMs;
      return { totalMs, downtimeMs: chosen.downtimeMs, transferredBytes: totalMs * bytesPerMs, means, reason };
    }
    const decision = { ...step, number, at: new Date(0).toISOString(), by: 'controller', restarted: false } as const;
    facts = {
      ...facts,
      downtimeLimitMs: step.means === 'downtime_limit' ? step.value! : downtimeLimitMs,
      decisions: [...facts.decisions, { ...decision, reason, figures, pass: 1, failure: null }],
    };
  }
  return { totalMs: null, downtimeMs: null, transferredBytes: null, means, reason: 'no allowed means would end it' };
}

/** As if a first pass had just sent all that the guest uses. */
function factsAtRest(guest: GuestFigures): ConvergenceFacts {
  const { usedBytes, totalBytes, bytesPerMs, dirtyBytesPerMs } = guest;
  const durationMs = usedBytes / bytesPerMs;
  const dirtyBytes = Math.min(usedBytes, dirtyBytesPerMs * durationMs);
  return {
    startedAtMs: 0,
    phase: 'precopy',
    totalBytes,
    remainingBytes: dirtyBytes,
    downtimeLimitMs: guest.downtimeLimitMs,
    bandwidthMiBps: null,
    vcpus: guest.vcpus,
    passes: [{ number: 1, contentBytes: usedBytes, bytes: usedBytes, durationMs, dirtyBytes }],
    passStartedAtMs: durationMs,
    samples: [],
    dirtyBytesPerMs,
    compressedShare: guest.compressedShare,
    deltaShare: guest.deltaShare,
    atHand: [...guest.atHand],
    decisions: [],
  };
}

const rate = (bytesPerMs: number) => ((bytesPerMs * 1000) / 2 ** 20).toFixed(1);
