/** How long migrations take: as Drover carries them out, or as CloudSim has it. */
import { shareLinks } from '#convergence';
import type { SimulatedMigration } from './cluster.js';
import { Copying, type CopyingPolicy } from './copying.js';
import type { EventQueue } from './events.js';

/** Half of a link is for migrations, the other half for VMs (CloudSim 3.0.3, PowerDatacenter). */
const MIGRATION_LINK_PERCENT = 50;
const BITS_PER_MIB = 8;
const MIBPS_PER_MBPS = 1_000_000 / (8 * 1024 * 1024);

export interface Link {
  begin(migration: SimulatedMigration, ended: (hasArrived: boolean) => void): void;
  /** One of its hosts has failed. */
  abandon(migration: SimulatedMigration): void;
  readonly figures: LinkFigures;
}

/** Of all migrations that have ended by arriving. */
export interface LinkFigures {
  readonly seconds: readonly number[];
  readonly downtimesMs: readonly number[];
  readonly sentMiB: number;
  /** Steps that were taken against guests that wrote too fast, by means. */
  readonly means: Readonly<Record<string, number>>;
}

export const linkOf = (policy: CopyingPolicy | null, events: EventQueue, nowS: () => number): Link =>
  policy ? new SharedLink(policy, events, nowS) : new CloudSimLink(events, nowS);

class Figures implements LinkFigures {
  readonly seconds: number[] = [];
  readonly downtimesMs: number[] = [];
  sentMiB = 0;
  readonly means: Record<string, number> = {};
}

/** Memory over half of the slower link, however many there are at once. */
class CloudSimLink implements Link {
  readonly figures = new Figures();
  readonly #underWay = new Set<SimulatedMigration>();

  constructor(
    private readonly events: EventQueue,
    private readonly nowS: () => number,
  ) {}

  begin(migration: SimulatedMigration, ended: (hasArrived: boolean) => void): void {
    const { vm, source, destination, startedS } = migration;
    const linkMbps = Math.min(source.description.linkMbps, destination.description.linkMbps);
    const usedMiB = vm.usedMiBAt(startedS);
    const seconds = (usedMiB * BITS_PER_MIB) / ((linkMbps * MIGRATION_LINK_PERCENT) / 100);
    this.#underWay.add(migration);
    this.events.announce(this.nowS() + seconds, () => {
      if (!this.#underWay.delete(migration)) return;
      this.figures.seconds.push(seconds);
      this.figures.sentMiB += usedMiB;
      ended(true);
    });
  }

  abandon(migration: SimulatedMigration): void {
    this.#underWay.delete(migration);
  }
}

interface Transfer {
  readonly migration: SimulatedMigration;
  readonly copying: Copying;
  readonly ended: (hasArrived: boolean) => void;
}

/** Those that are under way at once share the links of their hosts, by the rule of the controller. */
class SharedLink implements Link {
  readonly figures = new Figures();
  readonly #underWay = new Map<string, Transfer>();

  constructor(
    private readonly policy: CopyingPolicy,
    private readonly events: EventQueue,
    private readonly nowS: () => number,
  ) {}

  begin(migration: SimulatedMigration, ended: (hasArrived: boolean) => void): void {
    const { vm, startedS } = migration;
    const { memoryMiB, vcpus, dirtyMiBps = 0, hotMiB } = vm.description;
    const usedMiB = vm.usedMiBAt(startedS);
    const guest = { usedMiB, memoryMiB, vcpus, dirtyMiBps, hotMiB: Math.min(usedMiB, hotMiB ?? usedMiB) };
    const copying = new Copying(guest, this.policy, startedS * 1000, this.#shares([migration]).get(migration.id)!);
    this.#underWay.set(migration.id, { migration, copying, ended });
    this.#reshare();
  }

  abandon({ id }: SimulatedMigration): void {
    if (this.#underWay.delete(id)) this.#reshare();
  }

  /** MiB/s for each migration that is under way, and for `more` that are about to begin. */
  #shares(more: readonly SimulatedMigration[] = []): ReadonlyMap<string, number> {
    const migrations = [...[...this.#underWay.values()].map(({ migration }) => migration), ...more];
    const links = new Map(
      migrations.flatMap(({ source, destination }) =>
        [source, destination].map(({ description: { id, linkMbps } }) => [id, linkMbps * MIBPS_PER_MBPS] as const),
      ),
    );
    const sharers = migrations.map(({ id, source, destination }) => ({
      id,
      sourceHostId: source.description.id,
      destinationHostId: destination.description.id,
      sharePercent: MIGRATION_LINK_PERCENT,
      limitMiBps: null,
    }));
    return new Map(shareLinks(sharers, links).map(({ migrationId, bandwidthMiBps }) => [migrationId, bandwidthMiBps!]));
  }

  /** Somebody has come or gone: all have another speed now, and other times at which something happens. */
  #reshare(): void {
    const nowMs = this.nowS() * 1000;
    for (const [id, mibps] of this.#shares()) {
      const transfer = this.#underWay.get(id)!;
      transfer.copying.changeLink(nowMs, mibps);
      this.#announce(transfer);
    }
  }

  #announce(transfer: Transfer): void {
    const { nextAtMs } = transfer.copying;
    this.events.announce(nextAtMs / 1000, () => {
      const isStale = transfer.copying.nextAtMs !== nextAtMs;
      if (isStale || this.#underWay.get(transfer.migration.id) !== transfer) return;
      this.#goOn(transfer);
    });
  }

  #goOn(transfer: Transfer): void {
    const { migration, copying, ended } = transfer;
    copying.goOn(this.nowS() * 1000);
    if (copying.state === 'copying') {
      this.#throttle(transfer);
      this.#announce(transfer);
      return;
    }
    this.#underWay.delete(migration.id);
    this.#reshare();
    for (const { means } of copying.decisions) this.figures.means[means] = (this.figures.means[means] ?? 0) + 1;
    this.figures.sentMiB += copying.sentBytes / 2 ** 20;
    const hasArrived = copying.state === 'arrived';
    if (hasArrived) {
      this.figures.seconds.push(this.nowS() - migration.startedS);
      this.figures.downtimesMs.push(copying.downtimeMs);
    }
    ended(hasArrived);
  }

  #throttle({ migration: { vm, source }, copying: { throttlePercent } }: Transfer): void {
    if (vm.throttlePercent === throttlePercent) return;
    source.advance(this.nowS());
    vm.throttlePercent = throttlePercent;
    source.share();
  }
}
