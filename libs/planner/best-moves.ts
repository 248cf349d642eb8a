/** Finds the move that lowers imbalance most, again and again, without trying every VM on every host each time. */
import type { ClusterState, HostState } from './cluster-state.js';
import type { VmFacts } from './facts.js';
import {
  costOfJoining,
  cpuPull,
  gainOf,
  leastCostOfJoining,
  memoryPull,
  mostRelief,
  reliefOfLeaving,
} from './imbalance.js';
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

/** What is known about the best move away from one host. */
interface Entry {
  best: Candidate | null;
  /** False: `best` may be outdated, but no move from this host relieves more than `bound`. */
  isCurrent: boolean;
  bound: number;
}

/**
 * A lazy greedy search. For each host the best move away from it is remembered. A move makes its destination less
 * attractive and its source more so, and leaves the other hosts as they were. (A move to the destination may become
 * worth MinimumGain, though: there is less left to even out.) So what is remembered stays an upper bound if moves to
 * these two are tried anew; and only the host with the highest bound is searched again.
 */
export class BestMoves {
  readonly #entries: Entry[];
  /** Hosts that may be destinations, those first whose CPU (or memory) is furthest below the average. */
  readonly #byCpu: HostState[];
  readonly #byMemory: HostState[];

  /** @param eligible VMs of each host (by its index) that may move; moved() takes them out. */
  constructor(
    private readonly state: ClusterState,
    private readonly eligible: readonly VmFacts[][],
    private readonly room: Room,
    private readonly minimumGain: number,
  ) {
    this.#entries = state.hosts.map(() => ({ best: null, isCurrent: false, bound: Infinity }));
    const destinations = state.hostsUp.filter((host) => !isBusy(host, room));
    this.#byCpu = destinations.toSorted((a, b) => cpuPull(a) - cpuPull(b));
    this.#byMemory = destinations.toSorted((a, b) => memoryPull(a) - memoryPull(b));
  }

  /** The move that relieves most, of those away from the hosts that are wanted; ties go to the first by name. */
  next(isWanted: (host: HostState) => boolean): Candidate | null {
    const sources = this.state.hostsUp.filter((host) => !isBusy(host, this.room) && isWanted(host));
    for (;;) {
      let first: HostState | null = null;
      let highest = 0;
      for (const host of sources) {
        const { bound } = this.#entry(host);
        if (bound > highest) {
          first = host;
          highest = bound;
        }
      }
      if (!first) return null;
      const entry = this.#entry(first);
      if (entry.isCurrent) return entry.best;
      this.#set(entry, this.#search(first));
    }
  }

  /** To be called after state.move(): brings what is remembered up to date. */
  moved({ vm, source, destination }: Candidate): void {
    const left = this.eligible[source.index]!;
    left.splice(left.indexOf(vm), 1);
    reposition(this.#byCpu, [source, destination], cpuPull, this.room);
    reposition(this.#byMemory, [source, destination], memoryPull, this.room);
    for (const host of this.state.hostsUp) {
      const entry = this.#entry(host);
      if (host === source || host === destination) {
        entry.isCurrent = false;
        entry.bound = Infinity;
      } else if (entry.bound < Infinity) {
        if (entry.best?.destination === source || entry.best?.destination === destination) entry.isCurrent = false;
        for (const changed of [source, destination]) this.#tryDestination(entry, host, changed);
      }
    }
  }

  #entry(host: HostState): Entry {
    return this.#entries[host.index]!;
  }

  #set(entry: Entry, best: Candidate | null): void {
    entry.best = best;
    entry.bound = best?.relief ?? 0;
    entry.isCurrent = true;
  }

  /** Remembers a move to this destination if it relieves more than all others can. */
  #tryDestination(entry: Entry, source: HostState, destination: HostState): void {
    if (isBusy(destination, this.room) || mostRelief(source, destination) <= entry.bound) return;
    for (const vm of this.eligible[source.index]!) {
      const candidate = this.#candidate(vm, source, destination, reliefOfLeaving(source, vm), entry.bound);
      if (candidate) this.#set(entry, candidate);
    }
  }

  /**
   * The best move away from a host. Going through destinations by CPU and by memory at once, no host further down in
   * both lists can cost less than one with the CPU of the one list and the memory of the other: where that is too
   * much, the search ends (the threshold algorithm of Fagin, Lotem and Naor, "Optimal aggregation algorithms for
   * middleware", 2001).
   */
  #search(source: HostState): Candidate | null {
    let best = null as Candidate | null; // TypeScript takes a plain null for the only value in such a loop
    for (const vm of this.eligible[source.index]!) {
      const relief = reliefOfLeaving(source, vm);
      for (let index = 0; index < this.#byCpu.length; index++) {
        const leastCpu = this.#byCpu[index]!;
        const leastMemory = this.#byMemory[index]!;
        if (relief - leastCostOfJoining(leastCpu, leastMemory, vm) <= (best?.relief ?? 0)) break;
        best = this.#candidate(vm, source, leastCpu, relief, best?.relief ?? 0) ?? best;
        best = this.#candidate(vm, source, leastMemory, relief, best?.relief ?? 0) ?? best;
      }
    }
    return best;
  }

  /** The move as a candidate, if it is allowed, gains enough and relieves more than `least`. */
  #candidate(
    vm: VmFacts,
    source: HostState,
    destination: HostState,
    reliefOfSource: number,
    least: number,
  ): Candidate | null {
    const relief = reliefOfSource - costOfJoining(destination, vm);
    if (relief <= least + ROUNDING || destination === source) return null;
    const gain = gainOf(source, destination, relief);
    if (gain < this.minimumGain + ROUNDING || obstacleTo(destination, vm, this.room)) return null;
    return { vm, source, destination, relief, gain };
  }
}

/** Puts hosts that have changed where they belong in a sorted list; those that are busy now leave it. */
function reposition(
  sorted: HostState[],
  changed: readonly HostState[],
  pull: (host: HostState) => number,
  room: Room,
): void {
  for (const host of changed) sorted.splice(sorted.indexOf(host), 1);
  for (const host of changed) {
    if (isBusy(host, room)) continue;
    const next = sorted.findIndex((other) => pull(other) > pull(host));
    sorted.splice(next < 0 ? sorted.length : next, 0, host);
  }
}
