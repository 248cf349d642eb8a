import { layout } from '#vmm';
import type { MigrationError } from './errors.js';
import type { DowntimeBreakdown, Iteration, MigrationFigures, MigrationStatus } from './figures.js';
import { appendIteration, mebibytes } from './figures.js';
import type { PassMeasure, PrecopyDecision } from './precopy-rule.js';
import { decide, fits, measureBandwidth, pageCost } from './precopy-rule.js';

/** Passes from which the bandwidth may be taken. */
const MEASURES_KEPT = 20;

/** What one pass did, and what the guest did meanwhile. */
export interface Pass {
  readonly iteration: number;
  readonly pages: number;
  readonly zeroPages: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Pages that the dirty log named after the pass, and since when it had been collecting them. */
  readonly dirtyPages: number;
  readonly sinceSyncMs: number;
}

const NEXT_STATUS: Record<MigrationStatus, readonly MigrationStatus[]> = {
  setup: ['active', 'cancelling', 'failed'],
  active: ['device', 'cancelling', 'failed'],
  device: ['completed', 'postcopy-active', 'cancelling', 'failed'],
  'postcopy-active': ['completed', 'postcopy-paused'],
  'postcopy-paused': ['postcopy-recover', 'failed'],
  'postcopy-recover': ['postcopy-active', 'postcopy-paused'],
  cancelling: ['cancelled', 'failed'],
  completed: [],
  cancelled: [],
  failed: [],
};

/** What is known from the course of the migration alone, whatever means it uses. */
type CourseFigures = Omit<MigrationFigures, 'multifdBytes' | 'throttle' | 'xbzrle' | 'compression' | 'shares'>;

/** Keeps the figures of a migration as it goes on. */
export class Progress {
  private readonly measures: PassMeasure[] = [];
  /** Passes that followed although the rest would have fitted. */
  private extraPasses = 0;
  private readonly startedAtMs: number;
  private current: CourseFigures;

  constructor(
    private readonly nowMs: () => number,
    identity: { migrationId: string; epoch: number; ramBytes: number },
  ) {
    this.startedAtMs = nowMs();
    this.current = {
      ...identity,
      status: 'setup',
      totalMs: 0,
      setupMs: 0,
      transferredBytes: 0,
      remainingBytes: identity.ramBytes,
      pages: 0,
      zeroPages: 0,
      savedPages: 0,
      pageBytes: layout.PAGE_SIZE,
      postcopyRequests: 0,
      dirtySyncs: 0,
      iterations: [],
      reason: '',
      downtimeMs: null,
      downtimeBreakdown: null,
      confirmed: null,
      error: null,
    };
  }

  get figures(): CourseFigures {
    return this.hasEnded ? this.current : { ...this.current, totalMs: this.nowMs() - this.startedAtMs };
  }

  get status(): MigrationStatus {
    return this.current.status;
  }

  get hasEnded(): boolean {
    return NEXT_STATUS[this.current.status].length === 0;
  }

  /** Throws if that status cannot follow. */
  enter(status: MigrationStatus): void {
    if (!NEXT_STATUS[this.current.status].includes(status)) {
      throw new Error(`a migration cannot go from ${this.current.status} to ${status}`);
    }
    this.current = { ...this.figures, status };
  }

  setUp(): void {
    this.current = { ...this.current, setupMs: this.nowMs() - this.startedAtMs };
  }

  sent(pages: number, zeroPages: number, transferredBytes: number, remainingPages: number): void {
    const { current } = this;
    this.current = {
      ...current,
      pages: current.pages + pages,
      zeroPages: current.zeroPages + zeroPages,
      transferredBytes,
      remainingBytes: remainingPages * layout.PAGE_SIZE,
    };
  }

  /** Notes pages that need not be sent. */
  spared(savedPages: number, remainingPages: number): void {
    this.current = { ...this.current, savedPages, remainingBytes: remainingPages * layout.PAGE_SIZE };
  }

  /** Notes what was sent in post-copy. */
  sentBehind(pages: number, zeroPages: number, bytes: number, remainingPages: number): void {
    this.sent(pages, zeroPages, this.current.transferredBytes + bytes, remainingPages);
  }

  asked(pages: number): void {
    this.current = { ...this.current, postcopyRequests: this.current.postcopyRequests + pages };
  }

  /** The connections of post-copy are lost, for that reason, or there again. */
  connected(error: MigrationError | null): void {
    this.current = { ...this.current, error: error && { code: error.code, message: error.message } };
  }

  /** Nothing is missing at the destination. */
  arrived(): void {
    this.current = { ...this.current, remainingBytes: 0, confirmed: true, error: null };
  }

  /** Notes a pass, and decides what follows it. */
  passed(pass: Pass, downtimeLimitMs: number): PrecopyDecision {
    const { iteration, pages, zeroPages, bytes, durationMs } = pass;
    this.measures.push({ bytes, durationMs });
    if (this.measures.length > MEASURES_KEPT) this.measures.shift();
    const remainingBytes = pass.dirtyPages * layout.PAGE_SIZE;
    const decision = decide({
      remainingBytes: pass.dirtyPages * pageCost(pass),
      passMs: pass.sinceSyncMs,
      bytesPerMs: measureBandwidth(this.measures),
      downtimeLimitMs,
      isFirst: iteration === 1,
      extraPasses: this.extraPasses,
    });
    if (decision.action === 'iterate' && fits(decision, downtimeLimitMs)) this.extraPasses += 1;
    const figures: Iteration = {
      iteration,
      pages,
      zeroPages,
      bytes,
      durationMs,
      remainingBytes,
      bandwidthMiBps: perSecond(mebibytes(bytes), durationMs),
      dirtyRateMiBps: perSecond(mebibytes(remainingBytes), pass.sinceSyncMs),
      expectedDowntimeMs: decision.expectedDowntimeMs,
    };
    this.current = {
      ...this.current,
      remainingBytes,
      dirtySyncs: iteration,
      iterations: appendIteration(this.current.iterations, figures),
      reason: decision.reason,
    };
    return decision;
  }

  confirmed(breakdown: DowntimeBreakdown): void {
    const { stopMs, finalSyncMs, finalPagesMs, deviceStateMs, loadMs, resumeMs } = breakdown;
    const downtimeMs = stopMs + finalSyncMs + finalPagesMs + deviceStateMs + loadMs + resumeMs;
    this.current = { ...this.current, downtimeMs, downtimeBreakdown: breakdown, confirmed: true };
  }

  unconfirmed(error: MigrationError): void {
    this.current = { ...this.current, confirmed: false, error: { code: error.code, message: error.message } };
  }

  failed(error: MigrationError): void {
    this.current = { ...this.current, error: { code: error.code, message: error.message } };
  }
}

const perSecond = (amount: number, ms: number): number => (ms > 0 ? (amount / ms) * 1000 : 0);
