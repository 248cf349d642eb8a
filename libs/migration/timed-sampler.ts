import type { PrecopyParameters } from './parameters.js';
import { PageSampler, type PageSamplerOptions, type PageShares, UNSAMPLED } from './page-sampler.js';
import type { Clock } from './ports.js';

/** Passes may be shorter than what a look at a few pages takes. */
const SAMPLE_EVERY_MS = 250;
/** By which pages are sampled while none is chosen. */
const SAMPLED_COMPRESSION = { method: 'zstd', level: 1 } as const;

/** Looks at the guest's pages now and then while it writes: some of them show what making them smaller would gain. */
export class TimedSampler {
  private sampler: PageSampler | null = null;
  private lookedAtMs = -Infinity;

  constructor(
    private readonly options: PageSamplerOptions,
    private readonly clock: Clock,
  ) {}

  get shares(): PageShares {
    return this.sampler?.shares ?? UNSAMPLED;
  }

  /** By the method that is chosen, if one is. Does nothing so soon after the last look. */
  look(compression: PrecopyParameters['compression']): void {
    if (this.clock.now() - this.lookedAtMs < SAMPLE_EVERY_MS) return;
    this.lookedAtMs = this.clock.now();
    if (!this.sampler) {
      this.sampler = new PageSampler(this.options);
      // Without it deltas are sampled alone, and compression is tried for what it usually gains.
      void this.sampler.load().catch(() => undefined);
    }
    const { method, level } = compression ?? SAMPLED_COMPRESSION;
    this.sampler.look(method, level);
  }
}
