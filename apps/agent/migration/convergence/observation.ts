/** What is seen of a migration from look to look, and lost with the agent: passes, bytes on the way, what the guest writes. */
import type { ConvergenceFacts } from '#contracts';
import type { OutgoingFigures, PageShares } from '#hypervisor';

type Pass = ConvergenceFacts['passes'][number];

const MIB = 2 ** 20;
const PAGE_BYTES = 4096;
const PASSES_KEPT = 12;
const SAMPLES_KEPT = 60;
/** Between samples. */
const SAMPLE_MS = 250;
/** Over which what the guest writes is averaged. */
const RATE_MS = 5000;

export class Observation {
  private passes: readonly Pass[] = [];
  private passStartedAtMs: number;
  private iteration = 0;
  private bytesAtPass = 0;
  private readonly samples: { atMs: number; bytes: number }[] = [];
  private rates: { atMs: number; bytesPerMs: number }[] = [];

  /** What compression and XBZRLE would gain, as far as it was seen beside the migration itself. */
  shares: PageShares | null = null;

  constructor(nowMs: number) {
    this.passStartedAtMs = nowMs;
  }

  /** `dirtyRateMiBps`: since the last look; null if the process does not tell. */
  note(figures: OutgoingFigures, dirtyRateMiBps: number | null, nowMs: number): void {
    const bytes = figures.transferredBytes;
    if (nowMs - (this.samples.at(-1)?.atMs ?? 0) >= SAMPLE_MS) this.samples.push({ atMs: nowMs, bytes });
    if (this.samples.length > SAMPLES_KEPT) this.samples.shift();
    if (dirtyRateMiBps !== null) this.rates.push({ atMs: nowMs, bytesPerMs: (dirtyRateMiBps * MIB) / 1000 });
    this.rates = this.rates.filter(({ atMs }) => atMs > nowMs - RATE_MS);
    if (figures.iteration === this.iteration) return;
    this.notePass(figures, nowMs);
    this.iteration = figures.iteration;
    this.passStartedAtMs = nowMs;
    this.bytesAtPass = bytes;
  }

  get isInFirstPass(): boolean {
    return this.passes.length === 0;
  }

  /** What the guest writes is measured anew from now on. */
  decided(): void {
    this.rates = [];
  }

  /** The migration begins again. */
  restarted(nowMs: number): void {
    this.passes = [];
    this.samples.length = 0;
    this.rates = [];
    [this.iteration, this.bytesAtPass, this.passStartedAtMs] = [0, 0, nowMs];
  }

  get facts(): Pick<ConvergenceFacts, 'passes' | 'passStartedAtMs' | 'samples' | 'dirtyBytesPerMs'> {
    const { passes, passStartedAtMs, samples, rates } = this;
    const dirtyBytesPerMs =
      rates.length === 0 ? null : rates.reduce((sum, { bytesPerMs }) => sum + bytesPerMs, 0) / rates.length;
    return { passes: [...passes], passStartedAtMs, samples: [...samples], dirtyBytesPerMs };
  }

  /** As the process tells its passes; of one that only counts them, what was seen meanwhile. */
  private notePass(figures: OutgoingFigures, nowMs: number): void {
    if (figures.iterations.length > 0) {
      this.passes = figures.iterations.slice(-PASSES_KEPT).map((pass) => ({
        number: pass.iteration,
        contentBytes: (pass.pages - pass.zeroPages) * PAGE_BYTES,
        bytes: pass.bytes,
        durationMs: pass.durationMs,
        dirtyBytes: pass.remainingBytes,
      }));
      return;
    }
    if (figures.iteration < 2) return; // QEMU counts the first reading of its dirty log, too
    const bytes = figures.transferredBytes - this.bytesAtPass;
    const durationMs = nowMs - this.passStartedAtMs;
    const pass = { number: figures.iteration - 1, contentBytes: bytes, bytes, durationMs };
    this.passes = [...this.passes.slice(1 - PASSES_KEPT), { ...pass, dirtyBytes: figures.remainingBytes }];
  }
}
