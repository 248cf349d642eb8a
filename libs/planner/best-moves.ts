/** Finds the move that lowers imbalance most, again and again, without trying every VM on every host each time. */
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { type CostEnd, bestOf, costOf } from './cost.js';
import { Destinations } from './destinations.js';
import type { VmFacts } from './facts.js';
import { HostOrder } from './host-order.js';
import { type Option, Options } from './options.js';
import { gainOf, leastReliefFor, mostRelief } from './imbalance.js';
import { type Room, isBusy, obstacleTo } from './room.js';
import { ROUNDING } from './words.js';

export interface Candidate {
  readonly vm: VmFacts;
  readonly source: HostState;
  readonly destination: HostState;
  /** By how much the sum of squared deviations falls. */
  readonly relief: number;
  /** Points of imbalance that the two hosts lose. */
  readonly gain: number;
}

/** What makes a move worth while. */
export interface Worth {
  /** Points of imbalance that a move must take off its two hosts. */
  readonly minimumGain: number;
  /** So long is the gain taken to last: over it, a move must bring more than it costs. */
  readonly horizonSeconds: number;
}

/** What hosts are to the search. */
export interface Roles {
  /** Moves away from hosts of higher urgency come first: 0, 1 or 2. */
  readonly urgencyOf: (host: HostState) => number;
  readonly isDestination: (host: HostState) => boolean;
}

/** What is known about the best move away from one host. */
interface Entry {
  best: Candidate | null;
  /** What the best move relieved when it was found; before the first search, more than any can; 0: there is none. */
  bound: number;
  /** No move from this host that relieves less is worth its cost. */
  floor: number;
  /** The versions of source and destination of then. */
  sourceVersion: number;
  destinationVersion: number;
  /** How many of the changed hosts it knows. */
  seen: number;
}

const UNKNOWN: Entry = { best: null, bound: 0, floor: 0, sourceVersion: 0, destinationVersion: 0, seen: 0 };

/** So many destinations are looked at for a VM, by each resource, before those that are further down. */
const SHALLOW = 12;
/** Destinations further down that are looked at for one plan, for each host; a count and no clock. */
const DEEP_PER_HOST = 1000;
/** If more hosts than these have changed, a new search is quicker than to try each of them. */
const MOST_TRIED = 24;

/**
 * A lazy greedy search. For each host the best move away from it is remembered, and the host with the highest is asked
 * first: if one of the two hosts has changed meanwhile, it is searched again. A move makes its destination less
 * attractive, so what is remembered stays an upper bound for the others. It makes its source more attractive, too; that
 * is rarely enough, and so it is looked into only when nothing else is left. So each move costs about the same, however
 * many hosts there are, and at the end none is left that would help.
 */
export class BestMoves {
  readonly #entries: readonly Entry[];
  /** VMs that may move, for each host that has been searched. */
  readonly #options: (Options | null)[];
  readonly #bestEnd: CostEnd;
  readonly #destinations: Destinations;
  /** Hosts that may be sources, those first whose best move relieves most; one list for each urgency. */
  readonly #sources: readonly HostOrder[];
  /** Hosts that have changed, in that order. */
  readonly #changed: HostState[] = [];
  #deepLeft: number;

  /** @param eligible VMs of each host (by its index) that may move; changed() takes them out. */
  constructor(
    private readonly state: ClusterState,
    private readonly eligible: readonly VmFacts[][],
    private readonly room: Room,
    private readonly worth: Worth,
    private readonly roles: Roles,
  ) {
    this.#deepLeft = DEEP_PER_HOST * state.hosts.length;
    const isOpen = (host: HostState) => !isBusy(host, room);
    const destinations = state.hostsUp.filter((host) => isOpen(host) && roles.isDestination(host));
    this.#destinations = new Destinations(destinations, state.hosts.length);
    this.#bestEnd = bestOf(destinations);
    this.#options = state.hosts.map(() => null);
    this.#entries = state.hosts.map((host) => ({ ...UNKNOWN, bound: this.#mostOf(host) }));
    const bound = (host: HostState) => -this.#entry(host).bound;
    const open = state.hostsUp.filter(isOpen);
    this.#sources = [0, 1, 2].map(
      (urgency) =>
        new HostOrder(
          open.filter((host) => roles.urgencyOf(host) === urgency),
          bound,
        ),
    );
  }

  /** The move that relieves most, of those away from the hosts of the highest urgency from which any is worth it. */
  next(leastUrgency = 0): Candidate | null {
    for (;;) {
      const source = this.#mostPromising(leastUrgency);
      if (source) {
        const { best } = this.#entry(source);
        if (best && this.#isCurrent(best)) return best;
        this.#search(source);
      } else if (!this.#catchUp(leastUrgency)) return null;
    }
  }

  /** The best move away from this host. */
  from(source: HostState): Candidate | null {
    if (isBusy(source, this.room)) return null;
    this.#search(source);
    return this.#entry(source).best;
  }

  /** To be called after state.move(): VMs that move no more, and all hosts that took part. */
  changed(vms: readonly VmFacts[], hosts: readonly HostState[]): void {
    for (const vm of vms) {
      const { index } = this.state.host(vm.hostId);
      const left = this.eligible[index]!;
      left.splice(left.indexOf(vm), 1);
      this.#options[index]?.delete(vm);
    }
    for (const host of hosts) {
      this.#changed.push(host);
      if (isBusy(host, this.room)) this.#destinations.delete(host);
      else this.#destinations.update(host);
    }
    for (const host of hosts) this.#forget(host);
    // Rules about the VM and others: for those others every host may have become better or worse.
    for (const vm of vms)
      for (const index of this.state.affinity.neighbours(vm.id)) this.#forget(this.state.hosts[index]!);
  }

  #optionsOf(source: HostState): Options {
    const { minimumGain, horizonSeconds } = this.worth;
    const leastGain = (vm: VmFacts) =>
      Math.max(minimumGain, costOf(vm, source, this.#bestEnd).pointSeconds / horizonSeconds);
    const isRuled = (vm: VmFacts) => this.state.affinity.concerns(vm.id);
    return (this.#options[source.index] ??= new Options(source, this.eligible[source.index]!, leastGain, isRuled));
  }

  /** No move away from the host relieves more; 0: none is worth it. */
  #mostOf(source: HostState): number {
    const { affinity } = this.state;
    const penalty = affinity.isEmpty
      ? 0
      : Math.max(0, ...this.eligible[source.index]!.map(({ id }) => affinity.penalty(id, source.index)));
    const most = this.#destinations.mostReliefOf(source) + penalty;
    return most > leastReliefFor(source, this.worth.minimumGain) - ROUNDING ? most : 0;
  }

  #mostPromising(leastUrgency: number): HostState | null {
    for (let urgency = this.#sources.length - 1; urgency >= leastUrgency; urgency--) {
      const sources = this.#sources[urgency]!;
      if (sources.keyAt(0) < 0) return sources.at(0)!;
    }
    return null;
  }

  #isCurrent({ source, destination }: Candidate): boolean {
    const { sourceVersion, destinationVersion } = this.#entry(source);
    return source.version === sourceVersion && destination.version === destinationVersion;
  }

  #entry(host: HostState): Entry {
    return this.#entries[host.index]!;
  }

  /** It is to be searched again. */
  #forget(host: HostState): void {
    const entry = this.#entry(host);
    entry.best = null;
    entry.bound = this.#mostOf(host);
    entry.seen = this.#changed.length;
    for (const sources of this.#sources) sources.delete(host);
    if (host.isUp && !isBusy(host, this.room)) this.#sources[this.roles.urgencyOf(host)]!.add(host);
  }

  #set(source: HostState, best: Candidate | null): void {
    const entry = this.#entry(source);
    entry.best = best;
    entry.bound = best?.relief ?? 0;
    entry.sourceVersion = source.version;
    entry.destinationVersion = best?.destination.version ?? 0;
    this.#sources[this.roles.urgencyOf(source)]!.update(source);
  }

  /** Whether any host that has changed has become a destination worth while for others since they were searched. */
  #catchUp(leastUrgency: number): boolean {
    let isAny = false;
    for (const sources of this.#sources.slice(leastUrgency))
      for (const source of [...sources]) {
        this.#tryChanged(source);
        isAny ||= this.#entry(source).bound > 0;
      }
    return isAny;
  }

  #tryChanged(source: HostState): void {
    const entry = this.#entry(source);
    const missed = this.#changed.length - entry.seen;
    if (missed === 0) return;
    if (missed > MOST_TRIED && this.#mostOf(source) > 0) return this.#search(source);
    if (missed <= MOST_TRIED)
      for (const destination of new Set(this.#changed.slice(entry.seen)))
        this.#tryDestination(entry, source, destination);
    entry.seen = this.#changed.length;
  }

  /** Remembers a move to this destination if it relieves more than all others can. */
  #tryDestination(entry: Entry, source: HostState, destination: HostState): void {
    if (isBusy(destination, this.room) || !this.roles.isDestination(destination)) return;
    const options = this.#optionsOf(source);
    // Only VMs that soft rules are about can bring more than the hosts' loads tell.
    const isPromising = mostRelief(source, destination) > Math.max(entry.bound, entry.floor);
    if (!isPromising && !options.hasRuled) return;
    entry.floor = options.weigh(this.#destinations, (vm) => this.#penaltyOf(vm, source));
    for (const option of options.all()) {
      if (!isPromising && !option.isRuled) continue;
      const candidate = this.#candidate(option, source, destination, Math.max(entry.bound, option.least));
      if (candidate) this.#set(source, candidate);
    }
  }

  /** Finds the best move away from a host: among near destinations, and only if there is none among all. */
  #search(source: HostState): void {
    const entry = this.#entry(source);
    const options = this.#optionsOf(source);
    const weigh = () => options.weigh(this.#destinations, (vm) => this.#penaltyOf(vm, source));
    entry.seen = this.#changed.length;
    entry.floor = weigh();
    let best = this.#searchAmong(source, options, 0, SHALLOW);
    if (!best && this.#destinations.length > SHALLOW && this.#deepLeft > 0) {
      weigh();
      best = this.#searchAmong(source, options, SHALLOW, Infinity);
    }
    this.#set(source, best);
  }

  #searchAmong(source: HostState, options: Options, from: number, to: number): Candidate | null {
    let best = null as Candidate | null; // TypeScript takes a plain null for the only value in such a loop
    const destinations = this.#destinations;
    const end = Math.min(to, destinations.length);
    for (;;) {
      const option = options.takeNext(best?.relief ?? 0);
      if (!option) return best;
      const { cores, memoryMiB, networkMiBps, least, most } = option;
      let toBeat = Math.max(best?.relief ?? 0, least);
      for (let depth = from; depth < end; depth++) {
        if (most - destinations.leastCostAt(depth, cores, memoryMiB, networkMiBps) <= toBeat) break;
        if (depth >= SHALLOW && this.#deepLeft-- <= 0) break;
        for (const order of destinations.orders) {
          const host = order.at(depth)!;
          if (most - destinations.costOfJoining(host, cores, memoryMiB, networkMiBps) <= toBeat) continue;
          best = this.#candidate(option, source, host, toBeat) ?? best;
          toBeat = Math.max(best?.relief ?? 0, least);
        }
      }
    }
  }

  #penaltyOf(vm: VmFacts, host: HostState): number {
    return this.state.affinity.penalty(vm.id, host.index);
  }

  /** The move as a candidate, if it is allowed, gains enough and relieves more than `least`. */
  #candidate(
    { vm, isRuled, cores, memoryMiB, networkMiBps, ...option }: Option,
    source: HostState,
    destination: HostState,
    least: number,
  ): Candidate | null {
    if (destination === source) return null;
    let relief = option.relief - this.#destinations.costOfJoining(destination, cores, memoryMiB, networkMiBps);
    if (isRuled) relief += this.#penaltyOf(vm, source) - this.#penaltyOf(vm, destination);
    if (relief <= least + ROUNDING) return null;
    const gain = gainOf(source, destination, relief);
    if (gain < this.worth.minimumGain + ROUNDING) return null;
    if (costOf(vm, source, destination).pointSeconds >= gain * this.worth.horizonSeconds) return null;
    if (obstacleTo(this.state, destination, vm, this.room)) return null;
    return { vm, source, destination, relief, gain };
  }
}
