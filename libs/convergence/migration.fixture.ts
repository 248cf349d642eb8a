/** A migration in simulated time: a guest that writes, a link that carries, and `decide` at every heartbeat. */
import { type AllowedMeans, Convergence, type ConvergenceFacts, Means, type MigrationDecision } from '#contracts';
import { decide, type Decision } from './index.js';

const MIB = 2 ** 20;
const STEP_MS = 10;
const SAMPLES_KEPT = 60;

export interface Guest {
  readonly memoryMiB: number;
  /** MiB/s written at a time, were nothing slowed down. */
  readonly writes: (atMs: number) => number;
  /** It writes the same so many MiB again and again. */
  readonly hotMiB?: number;
  readonly vcpus?: number;
  /** Of memoryMiB; the rest is zero, and comes last. */
  readonly usedMiB?: number;
}

export interface World extends Guest {
  /** MiB/s that the link carries at a time. */
  readonly carries: (atMs: number) => number;
  readonly policy: Convergence;
  /** Means that the process has, and those of them that it cannot change in flight. */
  readonly has?: readonly Means[];
  readonly frozen?: readonly Means[];
  readonly downtimeLimitMs?: number;
  readonly heartbeatMs?: number;
  /** What a step really does, where it is less than it should. */
  readonly useless?: readonly Means[];
  /** What was sampled: what is left of a page that is compressed, and of one of which only what has changed is sent. */
  readonly compressedShare?: number;
  readonly deltaShare?: number;
}

export interface Outcome {
  /** null: it had not ended after three times its deadline. */
  readonly endedMs: number | null;
  readonly downtimeMs: number;
  readonly decisions: readonly MigrationDecision[];
  /** Every answer, waits included. */
  readonly answers: readonly Decision[];
}

const mean = (rates: readonly { bytesPerMs: number }[]) =>
  rates.length === 0 ? null : rates.reduce((sum, { bytesPerMs }) => sum + bytesPerMs, 0) / rates.length;

export const policyOf = (means: (AllowedMeans | { means: Means })[], rest: Partial<Convergence> = {}): Convergence =>
  Convergence.parse({ means, ...rest });

export function simulate(world: World): Outcome {
  const { policy, carries, writes, heartbeatMs = 1000, useless = [], vcpus = 4, frozen = [] } = world;
  const totalBytes = world.memoryMiB * MIB;
  const usedBytes = (world.usedMiB ?? world.memoryMiB) * MIB;
  const hotBytes = (world.hotMiB ?? world.memoryMiB) * MIB;
  const atHand = (world.has ?? Means.options).map((means) => ({ means, inFlight: !frozen.includes(means) }));
  const decisions: MigrationDecision[] = [];
  const answers: Decision[] = [];
  const passes: ConvergenceFacts['passes'] = [];
  const samples: ConvergenceFacts['samples'] = [];
  let downtimeLimitMs = world.downtimeLimitMs ?? 300;
  let [remaining, dirty, sent, passStartedAtMs, passContent] = [totalBytes, 0, 0, 0, 0];
  let [factor, slowed] = [1, 1];
  let written: { atMs: number; bytesPerMs: number }[] = [];
  let allAtOnce = false; // post-copy: the rest is sent once

  const outcome = (endedMs: number | null, downtimeMs: number): Outcome => ({
    endedMs,
    downtimeMs,
    decisions,
    answers,
  });
  for (let nowMs = 0; nowMs < policy.deadlineSeconds * 3000; nowMs += STEP_MS) {
    const wire = (carries(nowMs) * MIB * STEP_MS) / 1000;
    const content = Math.min(remaining, wire * factor);
    remaining -= content;
    if (passes.length === 0 && totalBytes - remaining >= usedBytes) remaining = 0;
    passContent += content;
    sent += content / factor;
    if (!allAtOnce) {
      dirty = Math.min(hotBytes, totalBytes, dirty + (writes(nowMs) * slowed * MIB * STEP_MS) / 1000);
    }
    if (remaining <= 0) {
      const durationMs = nowMs + STEP_MS - passStartedAtMs;
      const number = (passes.at(-1)?.number ?? 0) + 1;
      passes.push({ number, contentBytes: passContent, bytes: passContent / factor, durationMs, dirtyBytes: dirty });
      const speed = passContent / durationMs;
      if (allAtOnce) return outcome(nowMs, 100);
      if (speed > 0 && dirty / speed <= downtimeLimitMs) return outcome(nowMs + dirty / speed, dirty / speed);
      [remaining, dirty, passContent, passStartedAtMs] = [dirty, 0, 0, nowMs + STEP_MS];
    }
    if (nowMs % 250 === 0) samples.push({ atMs: nowMs, bytes: sent });
    if (nowMs % 250 === 0)
      written.push({ atMs: nowMs, bytesPerMs: Math.min(writes(nowMs) * slowed, (hotBytes / MIB) * 4) * (MIB / 1000) });
    if (samples.length > SAMPLES_KEPT) samples.shift();
    if (nowMs % heartbeatMs !== 0 || nowMs === 0) continue;
    const facts: ConvergenceFacts = {
      startedAtMs: 0,
      phase: 'precopy',
      totalBytes,
      ...(world.usedMiB !== undefined && { usedBytes }),
      remainingBytes: remaining,
      downtimeLimitMs,
      bandwidthMiBps: null,
      vcpus,
      passes: passes.slice(-20),
      passStartedAtMs,
      samples: [...samples],
      dirtyBytesPerMs: mean(written.filter(({ atMs }) => atMs > nowMs - 5000)),
      compressedShare: world.compressedShare ?? null,
      deltaShare: world.deltaShare ?? null,
      atHand,
      decisions: [...decisions],
    };
    const answer = decide(facts, policy, nowMs);
    answers.push(answer);
    if (!answer.step) continue;
    const { means, value } = answer.step;
    written = [];
    decisions.push({
      ...{ number: decisions.length + 1, at: new Date(nowMs).toISOString(), by: 'agent', means, value },
      ...{ restarted: answer.action === 'restart', reason: answer.reason, figures: answer.figures, failure: null },
      pass: passes.at(-1)?.number ?? 0,
    });
    if (answer.action === 'restart') [remaining, dirty, passContent, passStartedAtMs] = [totalBytes, 0, 0, nowMs];
    if (useless.includes(means)) continue;
    if (means === 'downtime_limit') downtimeLimitMs = value!;
    if (means === 'throttle' || means === 'cpu_limit') slowed = (100 - value!) / 100;
    if (means === 'offline_vcpus') slowed = (vcpus - value!) / vcpus;
    if (means === 'compression') factor = 1 / (world.compressedShare ?? 0.5);
    if (means === 'xbzrle') factor = 1 / (world.deltaShare ?? 0.3);
    if (means === 'suspend') downtimeLimitMs = Infinity;
    if (means === 'post_copy') {
      allAtOnce = true;
      [remaining, dirty, passContent, passStartedAtMs] = [remaining + dirty, 0, 0, nowMs];
    }
  }
  return outcome(null, 0);
}
