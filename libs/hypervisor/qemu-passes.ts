/** Passes over the dirty log: QEMU counts them and tells sums since the migration began; here is what each was. */
import type { IterationFigures } from './hypervisor.js';
import type { QueryMigrate } from './query-migrate.js';

type Ram = NonNullable<QueryMigrate['ram']>;

const MIB = 2 ** 20;

export class PassLog {
  private readonly ended: IterationFigures[] = [];
  private begun: { readonly ram: Ram; readonly atMs: number } | null = null;

  /** Takes what query-migrate says at a time, as often as one likes; the passes that have ended until then, in order. */
  note({ ram, 'expected-downtime': expectedDowntimeMs }: QueryMigrate, atMs: number): readonly IterationFigures[] {
    if (!ram) return this.ended;
    this.begun ??= { ram, atMs };
    if (ram['dirty-sync-count'] > this.begun.ram['dirty-sync-count']) {
      this.ended.push(passBetween(this.begun, { ram, atMs }, expectedDowntimeMs ?? null));
      this.begun = { ram, atMs };
    }
    return this.ended;
  }
}

function passBetween(
  from: { readonly ram: Ram; readonly atMs: number },
  to: { readonly ram: Ram; readonly atMs: number },
  expectedDowntimeMs: number | null,
): IterationFigures {
  const since = (field: 'normal' | 'duplicate' | 'transferred') => (to.ram[field] ?? 0) - (from.ram[field] ?? 0);
  const durationMs = to.atMs - from.atMs;
  const bytes = since('transferred');
  return {
    iteration: from.ram['dirty-sync-count'],
    pages: since('normal') + since('duplicate'),
    zeroPages: since('duplicate'),
    bytes,
    durationMs,
    bandwidthMiBps: durationMs > 0 ? (bytes / MIB / durationMs) * 1000 : 0,
    dirtyRateMiBps: (to.ram['dirty-pages-rate'] * to.ram['page-size']) / MIB,
    remainingBytes: to.ram.remaining,
    expectedDowntimeMs,
  };
}
