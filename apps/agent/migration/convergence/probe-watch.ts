/** Finds out from time to time what moving the VMs of this host would take, one VM at a time, before anybody asks. */
import type { MigrationProbe, VmProbe } from '#contracts';
import type { Log } from '../../log.js';

/** A VM that has just come is left alone: what it writes while it starts tells nothing of later. */
const FIRST_AFTER_MS = 60_000;

/** A VM that runs here and does not migrate. */
export interface Resident {
  readonly vmId: string;
  readonly epoch: number;
}

interface Known {
  readonly epoch: number;
  readonly sinceMs: number;
  readonly probedAtMs: number | null;
}

/** Null: it cannot be measured now, as when it stands still. */
export type Probe = (vmId: string) => Promise<MigrationProbe | null>;

/** When a VM's turn comes. */
export const dueAtMs = ({ sinceMs, probedAtMs }: Omit<Known, 'epoch'>, intervalMs: number): number =>
  probedAtMs === null ? sinceMs + Math.min(FIRST_AFTER_MS, intervalMs) : probedAtMs + intervalMs;

export class ProbeWatch {
  private readonly known = new Map<string, Known>();
  /** The newest of each VM that was not taken yet. */
  private readonly found = new Map<string, VmProbe>();
  private isProbing = false;

  /** `intervalMs`: between two looks at a VM; 0: never. */
  constructor(
    private readonly residents: () => readonly Resident[],
    private readonly probe: Probe,
    private readonly intervalMs: number,
    private readonly log: Log,
  ) {}

  /** What was found since it was taken last. Begins with the next VM when that is due. */
  take(nowMs: number): VmProbe[] {
    if (this.intervalMs === 0) return [];
    this.notice(nowMs);
    const next = this.next(nowMs);
    if (next && !this.isProbing) void this.look(next, nowMs);
    const told = [...this.found.values()];
    this.found.clear();
    return told;
  }

  /** They were not told to anybody: they come with the next ones. */
  giveBack(probes: readonly VmProbe[]): void {
    for (const probe of probes) if (!this.found.has(probe.vmId)) this.found.set(probe.vmId, probe);
  }

  /** Who is here now, and since when. */
  private notice(nowMs: number): void {
    const here = new Map(this.residents().map((resident) => [resident.vmId, resident.epoch]));
    for (const [vmId, { epoch }] of this.known) if (here.get(vmId) !== epoch) this.known.delete(vmId);
    for (const [vmId, epoch] of here)
      if (!this.known.has(vmId)) this.known.set(vmId, { epoch, sinceMs: nowMs, probedAtMs: null });
  }

  /** The VM that has been due for longest. */
  private next(nowMs: number): string | null {
    const due = [...this.known]
      .map(([vmId, known]) => ({ vmId, atMs: dueAtMs(known, this.intervalMs) }))
      .filter(({ atMs }) => atMs <= nowMs);
    return due.toSorted((a, b) => a.atMs - b.atMs)[0]?.vmId ?? null;
  }

  private async look(vmId: string, nowMs: number): Promise<void> {
    const known = this.known.get(vmId)!;
    this.known.set(vmId, { ...known, probedAtMs: nowMs });
    this.isProbing = true;
    try {
      const probe = await this.probe(vmId);
      const isStill = this.residents().some((each) => each.vmId === vmId && each.epoch === known.epoch);
      if (probe && isStill) this.found.set(vmId, { ...probe, vmId, epoch: known.epoch });
    } catch (error) {
      this.log.debug({ vmId }, `nothing new of what a move would take: ${(error as Error).message}`);
    } finally {
      this.isProbing = false;
    }
  }
}
