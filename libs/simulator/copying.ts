/**
 * A VM's memory on its way to another host, in simulated time: pass after pass, and after each of them, and every few
 * seconds, libs/convergence is asked what to do about a guest that writes too fast. What it applies has the effect that
 * its own model expects of it: how good that model is, docs/benchmarks.md measures on real guests.
 */
import type { Convergence, ConvergenceFacts, MeansAtHand, MigrationDecision } from '#contracts';
import { type Outlook, decide, withStep } from '#convergence';

const MIB = 2 ** 20;
/** How often it is looked at while a long pass goes on. */
const LOOK_MS = 5000;
/** Stopping and resuming the guest, and the state of its devices. */
const LEAST_PAUSE_MS = 30;
/** Less than this is left by rounding alone. */
const NOTHING = 64;
const ROUNDING_MS = 0.001;

/** What Drover's own VMM has. */
const AT_HAND: readonly MeansAtHand[] = (
  ['compression', 'xbzrle', 'downtime_limit', 'throttle', 'post_copy', 'suspend'] as const
).map((means) => ({ means, inFlight: true }));

export interface CopiedGuest {
  readonly usedMiB: number;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly dirtyMiBps: number;
  readonly hotMiB: number;
}

export interface CopyingPolicy {
  readonly downtimeLimitMs: number;
  readonly timeoutSeconds: number;
  readonly convergence: Convergence;
}

export type CopyingState = 'copying' | 'arrived' | 'timed_out';

export class Copying {
  state: CopyingState = 'copying';
  /** When there is something to do next, unless the link changes before. */
  nextAtMs = 0;
  downtimeMs = 0;
  sentBytes = 0;
  decisions: MigrationDecision[] = [];
  readonly #startedAtMs: number;
  #passes: ConvergenceFacts['passes'] = [];
  #passStartedAtMs: number;
  #passBytes: number;
  #remainingBytes: number;
  #atMs: number;
  #linkBytesPerMs = 0;
  /** Guest and link with all that was applied. */
  #outlook: Outlook;
  #looksAtMs: number;
  /** When it ends, once that is certain. */
  #endsAtMs: number | null = null;

  constructor(
    private readonly guest: CopiedGuest,
    private readonly policy: CopyingPolicy,
    nowMs: number,
    linkMiBps: number,
  ) {
    this.#startedAtMs = nowMs;
    this.#passStartedAtMs = nowMs;
    this.#atMs = nowMs;
    this.#looksAtMs = nowMs + LOOK_MS;
    this.#passBytes = guest.usedMiB * MIB;
    this.#remainingBytes = this.#passBytes;
    this.#outlook = this.#withLink(linkMiBps);
    this.#reckonNext();
  }

  /** Percent of its CPU that the guest is denied now. */
  get throttlePercent(): number {
    return this.decisions.findLast(({ means }) => means === 'throttle')?.value ?? 0;
  }

  /** The link carries more or less from now on, because others have come or gone. */
  changeLink(nowMs: number, linkMiBps: number): void {
    this.#send(nowMs);
    const before = this.#outlook.bytesPerMs;
    this.#outlook = this.#withLink(linkMiBps);
    if (this.#endsAtMs !== null)
      this.#endsAtMs = nowMs + ((this.#endsAtMs - nowMs) * before) / this.#outlook.bytesPerMs;
    this.#reckonNext();
  }

  /** Time has come to `nextAtMs`. */
  goOn(nowMs: number): void {
    this.#send(nowMs);
    if (this.#endsAtMs !== null) {
      if (nowMs >= this.#endsAtMs - ROUNDING_MS) this.state = 'arrived';
    } else if (nowMs >= this.#deadlineMs - ROUNDING_MS) this.state = 'timed_out';
    else if (this.#remainingBytes <= NOTHING) this.#endPass(nowMs);
    else this.#decide(nowMs);
    if (this.state === 'copying') this.#reckonNext();
  }

  get #deadlineMs(): number {
    return this.#startedAtMs + this.policy.timeoutSeconds * 1000;
  }

  #send(nowMs: number): void {
    const bytes = Math.min(this.#remainingBytes, this.#outlook.bytesPerMs * (nowMs - this.#atMs));
    this.#remainingBytes -= bytes;
    this.sentBytes += bytes;
    this.#atMs = nowMs;
  }

  #endPass(nowMs: number): void {
    const durationMs = nowMs - this.#passStartedAtMs;
    const dirtyBytes = this.#dirtiedIn(durationMs);
    const bytes = this.#passBytes;
    this.#passes = [
      ...this.#passes.slice(-9),
      { number: (this.#passes.at(-1)?.number ?? 0) + 1, contentBytes: bytes, bytes, durationMs, dirtyBytes },
    ];
    this.#passStartedAtMs = nowMs;
    this.#passBytes = dirtyBytes;
    this.#remainingBytes = dirtyBytes;
    if (dirtyBytes / this.#outlook.bytesPerMs <= this.#outlook.downtimeLimitMs) this.#switchOver(nowMs);
    else this.#decide(nowMs);
  }

  #dirtiedIn(durationMs: number): number {
    return Math.min(this.#outlook.hotBytes, this.#outlook.dirtyBytesPerMs * durationMs);
  }

  /** The guest is stopped, and what is left is sent. */
  #switchOver(nowMs: number): void {
    this.downtimeMs = LEAST_PAUSE_MS + this.#remainingBytes / this.#outlook.bytesPerMs;
    this.#endsAtMs = nowMs + this.downtimeMs;
  }

  #decide(nowMs: number): void {
    this.#looksAtMs = nowMs + LOOK_MS;
    const { step, reason, figures } = decide(this.#facts(nowMs), this.policy.convergence, nowMs);
    if (!step) return;
    const decision: MigrationDecision = {
      ...step,
      ...{ reason, figures },
      number: this.decisions.length + 1,
      at: new Date(nowMs).toISOString(),
      by: 'controller',
      restarted: false,
      pass: this.#passes.at(-1)?.number ?? 0,
      failure: null,
    };
    this.decisions = [...this.decisions, decision];
    this.#outlook = this.#withLink((this.#linkBytesPerMs * 1000) / MIB);
    const written = this.#dirtiedIn(nowMs - this.#passStartedAtMs);
    if (step.means === 'post_copy') {
      // The guest runs at the destination after a short pause; its pages follow.
      this.downtimeMs = 100;
      this.#remainingBytes += written;
      this.#endsAtMs = nowMs + this.downtimeMs + this.#remainingBytes / this.#outlook.bytesPerMs;
    } else if (step.means === 'suspend') {
      this.#remainingBytes += written;
      this.#switchOver(nowMs);
    } else if (this.#remainingBytes / this.#outlook.bytesPerMs <= this.#outlook.downtimeLimitMs && written === 0)
      this.#switchOver(nowMs);
  }

  #facts(nowMs: number): ConvergenceFacts {
    const { memoryMiB, vcpus, dirtyMiBps } = this.guest;
    // As a source tells them: the last seconds of the connection.
    const samples = [-2000, -1000, 0].map((beforeMs) => ({
      atMs: nowMs + beforeMs,
      bytes: Math.max(0, this.sentBytes + beforeMs * this.#outlook.bytesPerMs),
    }));
    return {
      startedAtMs: this.#startedAtMs,
      phase: 'precopy',
      totalBytes: memoryMiB * MIB,
      remainingBytes: this.#remainingBytes,
      downtimeLimitMs: this.#outlook.downtimeLimitMs,
      bandwidthMiBps: null,
      vcpus,
      passes: this.#passes,
      passStartedAtMs: this.#passStartedAtMs,
      samples,
      dirtyBytesPerMs: (dirtyMiBps * MIB * (1 - this.throttlePercent / 100)) / 1000,
      compressedShare: null,
      deltaShare: null,
      atHand: [...AT_HAND],
      decisions: this.decisions,
    };
  }

  /** What was applied, on a link of that speed. */
  #withLink(linkMiBps: number): Outlook {
    this.#linkBytesPerMs = (linkMiBps * MIB) / 1000;
    const { dirtyMiBps, hotMiB } = this.guest;
    const plain: Outlook = {
      bytesPerMs: this.#linkBytesPerMs,
      dirtyBytesPerMs: (dirtyMiBps * MIB) / 1000,
      hotBytes: hotMiB * MIB,
      downtimeLimitMs: this.policy.downtimeLimitMs,
    };
    const facts = { passes: this.#passes, vcpus: this.guest.vcpus, ...SAMPLED };
    return this.decisions.reduce(
      (outlook, step, index) => withStep(outlook, step, facts, this.decisions.slice(0, index)),
      plain,
    );
  }

  #reckonNext(): void {
    const passEndsAtMs = this.#atMs + this.#remainingBytes / this.#outlook.bytesPerMs;
    this.nextAtMs = this.#endsAtMs ?? Math.min(passEndsAtMs, this.#looksAtMs, this.#deadlineMs);
  }
}

/** Nobody has sampled the guest's pages. */
const SAMPLED = { bandwidthMiBps: null, compressedShare: null, deltaShare: null };
