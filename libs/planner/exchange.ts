/** Two VMs change places: what is left to do when no single move helps any more. */
import type { BestMoves, Worth } from './best-moves.js';
import type { ClusterState } from './cluster-state.js';
import { type MoveCost, costOf } from './cost.js';
import type { VmFacts } from './facts.js';
import { type HostState, networkOf } from './host-state.js';
import { costOfJoining, gainOf, imbalanceOf, reliefOfLeaving } from './imbalance.js';
import { roomAfter } from './make-room.js';
import { type Room, freeMiB, isBusy, obstacleTo } from './room.js';
import type { Draft } from './sequence.js';
import { ROUNDING, points } from './words.js';

/** Pairs that are looked at for one plan; a count and no clock, so that the same facts give the same plan. */
const BUDGET = 20_000;
const SOURCES = 8;
const PARTNERS = 16;
/** To try a pair in earnest counts as much as to look at so many. */
const TRIAL = 25;
const STOPOVERS = 4;

interface Pair {
  readonly a: VmFacts;
  readonly source: HostState;
  readonly b: VmFacts;
  readonly partner: HostState;
  readonly gain: number;
}

interface Hop {
  readonly vm: VmFacts;
  readonly from: HostState;
  readonly to: HostState;
  /** Positions of the hops that must have arrived. */
  readonly after: readonly number[];
}

export class Exchanges {
  #left = BUDGET;

  constructor(
    private readonly state: ClusterState,
    private readonly eligible: readonly VmFacts[][],
    private readonly room: Room,
    private readonly worth: Worth,
    private readonly isDestination: (host: HostState) => boolean,
  ) {}

  /**
   * The exchange that relieves the most uneven hosts best, made in the state and told to `search`; none: there is none
   * that is worth its moves, or the budget is spent. If neither of the two hosts has room for both VMs at once, one VM
   * leaves first; if neither can, it waits on a third host until the other has left.
   */
  next(isWanted: (host: HostState) => boolean, search: BestMoves): Draft[] {
    for (const pair of this.#pairs(isWanted)) {
      this.#left -= TRIAL;
      if (this.#left < 0) break;
      const hops = this.#route(pair);
      if (!hops) continue;
      const imbalanceBefore = imbalanceOf(this.state);
      this.#make(hops);
      const costs = hops.map(({ vm, from, to }) => costOf(vm, from, to));
      const cost = costs.reduce((sum, { pointSeconds }) => sum + pointSeconds, 0);
      if (pair.gain < this.worth.minimumGain * hops.length || cost >= pair.gain * this.worth.horizonSeconds) {
        this.#takeBack(hops);
        continue;
      }
      search.changed([pair.a, pair.b], [...new Set(hops.flatMap(({ from, to }) => [from, to]))]);
      return this.#drafts(pair, hops, costs, imbalanceBefore);
    }
    return [];
  }

  /** Pairs that would take enough imbalance off their hosts, the best first. */
  #pairs(isWanted: (host: HostState) => boolean): Pair[] {
    const free = this.state.hostsUp.filter((host) => !isBusy(host, this.room));
    const sources = free.filter(isWanted).toSorted((a, b) => excess(b) - excess(a) || a.index - b.index);
    const partners = free.filter(this.isDestination).toSorted((a, b) => excess(a) - excess(b) || a.index - b.index);
    const found: Pair[] = [];
    for (const source of sources.slice(0, SOURCES))
      for (const partner of partners.slice(0, PARTNERS))
        if (partner !== source) this.#pairsBetween(source, partner, found);
    return found.toSorted((x, y) => y.gain - x.gain);
  }

  #pairsBetween(source: HostState, partner: HostState, found: Pair[]): void {
    const own = (host: HostState) => this.eligible[host.index]!.filter(({ id }) => !this.state.affinity.concerns(id));
    const theirs = own(partner);
    for (const a of own(source))
      for (const b of theirs) {
        if (this.#left-- <= 0) return;
        const more = difference(a, b);
        const relief = reliefOfLeaving(source, more) - costOfJoining(partner, more);
        if (relief <= ROUNDING) continue;
        const gain = gainOf(source, partner, relief);
        if (gain > this.worth.minimumGain * 2 + ROUNDING) found.push({ a, source, b, partner, gain });
      }
  }

  /** Hops of which each finds room when those that it waits for have arrived; null if there are none. */
  #route({ a, source, b, partner }: Pair): Hop[] | null {
    const there = { vm: a, from: source, to: partner };
    const back = { vm: b, from: partner, to: source };
    return (
      this.#inTurn(there, back) ?? this.#inTurn(back, there) ?? this.#around(back, there) ?? this.#around(there, back)
    );
  }

  /** One goes, the other follows: at once if there is room for both. */
  #inTurn(first: Omit<Hop, 'after'>, second: Omit<Hop, 'after'>): Hop[] | null {
    if (!this.#fits(first.vm, first.to, this.room)) return null;
    this.state.move(first.vm, first.to);
    const hasRoom = this.#fits(second.vm, second.to, this.room);
    const hasRoomLater = hasRoom || this.#fits(second.vm, second.to, roomAfter(this.room, first.from, [first.vm]));
    this.state.undo(first.vm);
    if (!hasRoomLater) return null;
    return [
      { ...first, after: [] },
      { ...second, after: hasRoom ? [] : [0] },
    ];
  }

  /** One waits on a third host until the other has left. */
  #around(first: Omit<Hop, 'after'>, second: Omit<Hop, 'after'>): Hop[] | null {
    for (const stopover of this.#stopovers(first.from, first.to)) {
      if (!this.#fits(first.vm, stopover, this.room)) continue;
      this.state.move(first.vm, stopover);
      const roomOfFirst = roomAfter(this.room, first.from, [first.vm]);
      const canFollow = this.#fits(second.vm, second.to, roomOfFirst);
      if (canFollow) this.state.move(second.vm, second.to);
      const canGoOn =
        canFollow &&
        !isBusy(stopover, this.room) &&
        this.#fits(first.vm, first.to, roomAfter(roomOfFirst, second.from, [second.vm]));
      if (canFollow) this.state.undo(second.vm);
      this.state.undo(first.vm);
      if (canGoOn)
        return [
          { vm: first.vm, from: first.from, to: stopover, after: [] },
          { ...second, after: [0] },
          { vm: first.vm, from: stopover, to: first.to, after: [0, 1] },
        ];
    }
    return null;
  }

  /** The hosts with most memory free, other than these. */
  #stopovers(...ends: readonly HostState[]): HostState[] {
    const freest: HostState[] = [];
    for (const host of this.state.hostsUp) {
      if (ends.includes(host) || !this.isDestination(host)) continue;
      const place = freest.findIndex((other) => freeMiB(host, this.room) > freeMiB(other, this.room));
      freest.splice(place < 0 ? freest.length : place, 0, host);
      freest.splice(STOPOVERS);
    }
    return freest;
  }

  #fits(vm: VmFacts, host: HostState, room: Room): boolean {
    return obstacleTo(this.state, host, vm, room) === null;
  }

  #make(hops: readonly Hop[]): void {
    for (const { vm, to } of hops) this.state.move(vm, to);
  }

  #takeBack(hops: readonly Hop[]): void {
    for (const { vm } of hops.toReversed()) this.state.undo(vm);
  }

  #drafts(
    { a, source, b, partner, gain }: Pair,
    hops: readonly Hop[],
    costs: readonly MoveCost[],
    imbalanceBefore: number,
  ): Draft[] {
    const effect =
      `${a.name} on ${source.name} and ${b.name} on ${partner.name} change places: no single move would help; ` +
      `together they take ${points(gain)} points of imbalance off the two, the cluster's falls from ` +
      `${points(imbalanceBefore)} to ${points(imbalanceOf(this.state))}`;
    const drafts: Draft[] = [];
    for (const [index, { vm, from, to, after }] of hops.entries()) {
      const isStopover = to !== source && to !== partner;
      drafts.push({
        vmId: vm.id,
        sourceHostId: from.id,
        destinationHostId: to.id,
        reason: isStopover ? `${effect}; ${vm.name} waits on ${to.name} until there is room` : effect,
        kind: 'exchange',
        gain: gain / hops.length,
        benefit: (gain * this.worth.horizonSeconds) / hops.length,
        cost: costs[index]!,
        after: after.map((position) => drafts[position]!),
      });
    }
    return drafts;
  }
}

const excess = (host: HostState): number =>
  Math.max(host.cpuDeviation, host.memoryDeviation, host.dimensions === 3 ? host.networkDeviation : -Infinity);

/** What leaves a host if the one VM goes and the other comes. */
const difference = (a: VmFacts, b: VmFacts) => ({
  cpuUsedCores: a.cpuUsedCores - b.cpuUsedCores,
  memoryMiB: a.memoryMiB - b.memoryMiB,
  networkUsedMiBps: networkOf(a) - networkOf(b),
});
