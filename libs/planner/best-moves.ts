/** Finds the move that lowers imbalance most, again and again, without trying every VM on every host each time. */
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import { type CostEnd, bestOf, costOf } from './cost.js';
import type { VmFacts } from './facts.js';
import {
  costOfJoining,
  cpuPull,
  gainOf,
  leastReliefFor,
  memoryPull,
  mostRelief,
  networkPull,
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

/** What makes a move worth while. */
export interface Worth {
  /** Points of imbalance that a move must take off its two hosts. */
  readonly minimumGain: number;
  /** So long is the gain taken to last: over it, a move must bring more than it costs. */
  readonly horizonSeconds: number;
}

/** What is known about the best move away from one host. */
interface Entry {
  best: Candidate | null;
  /** False: `best` may be outdated, but no move from this host relieves more than `bound`. */
  isCurrent: boolean;
  bound: number;
  /** No move from this host that relieves less is worth its cost. */
  floor: number;
}

/**
 * A lazy greedy search. For each host the best move away from it is remembered. A move makes its destination less
 * attractive and its source more so, and leaves the other hosts as they were. (A move to the destination may become
 * worth MinimumGain, though: there is less left to even out.) So what is remembered stays an upper bound if moves to
 * these two are tried anew; and only the host with the highest bound is searched again.
 */
export class BestMoves {
  readonly #entries: Entry[];
  readonly #bestEnd: CostEnd;
  /** What a move of the VM must gain at least, to be worth what it costs. */
  readonly #leastGain = new Map<VmFacts, number>();
  /** Of the eligible VMs, those that affinity groups are about. */
  readonly #ruled: VmFacts[][];
  private readonly isDestination: (host: HostState) => boolean;
  /** Hosts that may be destinations: for each resource, those first on which it is cheapest. */
  readonly #byPull: { readonly pull: (host: HostState) => number; readonly hosts: HostState[] }[];

  /** @param eligible VMs of each host (by its index) that may move; moved() takes them out. */
  constructor(
    private readonly state: ClusterState,
    private readonly eligible: readonly VmFacts[][],
    private readonly room: Room,
    private readonly worth: Worth,
    isDestination: (host: HostState) => boolean = () => true,
  ) {
    this.#entries = state.hosts.map(() => ({ best: null, isCurrent: false, bound: Infinity, floor: 0 }));
    this.isDestination = isDestination;
    this.#ruled = eligible.map((vms) => vms.filter((vm) => state.affinity.concerns(vm.id)));
    const destinations = state.hostsUp.filter((host) => !isBusy(host, room) && isDestination(host));
    this.#bestEnd = bestOf(destinations);
    const pulls = state.hostsUp[0]?.dimensions === 3 ? [cpuPull, memoryPull, networkPull] : [cpuPull, memoryPull];
    this.#byPull = pulls.map((pull) => ({ pull, hosts: destinations.toSorted((a, b) => pull(a) - pull(b)) }));
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
      this.#set(entry, this.#search(first, entry));
    }
  }

  /** To be called after state.move(): brings what is remembered up to date. */
  moved({ vm, source, destination }: Candidate): void {
    this.changed([vm], [source, destination]);
  }

  /** The same for several moves at once: VMs that move no more, and all hosts that took part. */
  changed(vms: readonly VmFacts[], hosts: readonly HostState[]): void {
    for (const vm of vms) {
      const { index } = this.state.host(vm.hostId);
      const left = this.eligible[index]!;
      left.splice(left.indexOf(vm), 1);
      this.#ruled[index] = this.#ruled[index]!.filter((each) => each !== vm);
    }
    for (const { hosts: sorted, pull } of this.#byPull)
      reposition(sorted, hosts.filter(this.isDestination), pull, this.room);
    for (const host of this.state.hostsUp) {
      const entry = this.#entry(host);
      if (hosts.includes(host)) {
        this.#forget(entry);
      } else if (entry.bound < Infinity) {
        if (entry.best && hosts.includes(entry.best.destination)) entry.isCurrent = false;
        for (const changed of hosts) this.#tryDestination(entry, host, changed);
      }
    }
    // Rules about the VM and others: for those others every host may have become better or worse.
    for (const vm of vms)
      for (const index of this.state.affinity.neighbours(vm.id)) this.#forget(this.#entries[index]!);
  }

  #forget(entry: Entry): void {
    entry.isCurrent = false;
    entry.bound = Infinity;
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
    if (isBusy(destination, this.room) || !this.isDestination(destination)) return;
    const most = mostRelief(source, destination);
    // Only VMs that soft rules are about can bring more than the hosts' loads tell.
    const worthTrying =
      most > Math.max(entry.bound, entry.floor) ? this.eligible[source.index]! : this.#ruled[source.index]!;
    for (const vm of worthTrying) {
      const least = Math.max(entry.bound, this.#leastRelief(vm, source));
      const candidate = this.#candidate(vm, source, destination, reliefOfLeaving(source, vm), least);
      if (candidate) this.#set(entry, candidate);
    }
  }

  /**
   * The best move away from a host. Going through destinations by each resource at once, no host further down in all
   * lists can cost less than one with the CPU of the one list, the memory of the other and so on: where that is too
   * much, the search ends (the threshold algorithm of Fagin, Lotem and Naor, "Optimal aggregation algorithms for
   * middleware", 2001). Soft rules that the VM breaks where it is are the most that leaving can bring besides.
   */
  #search(source: HostState, entry: Entry): Candidate | null {
    entry.floor = Infinity;
    let best = null as Candidate | null; // TypeScript takes a plain null for the only value in such a loop
    const [byCpu, byMemory, byNetwork] = this.#byPull;
    const length = byCpu!.hosts.length;
    for (const vm of this.eligible[source.index]!) {
      const relief = reliefOfLeaving(source, vm);
      const most = relief + this.state.affinity.penalty(vm.id, source.index);
      const least = this.#leastRelief(vm, source);
      entry.floor = Math.min(entry.floor, least);
      for (let index = 0; index < length; index++) {
        const leastCost =
          vm.cpuUsedCores * cpuPull(byCpu!.hosts[index]!) +
          vm.memoryMiB * memoryPull(byMemory!.hosts[index]!) +
          (byNetwork ? vm.networkUsedMiBps * networkPull(byNetwork.hosts[index]!) : 0);
        if (most - leastCost <= Math.max(best?.relief ?? 0, least)) break;
        for (const { hosts } of this.#byPull)
          best = this.#candidate(vm, source, hosts[index]!, relief, Math.max(best?.relief ?? 0, least)) ?? best;
      }
    }
    return best;
  }

  /** Moves that relieve less are not worth their cost, wherever they go. */
  #leastRelief(vm: VmFacts, source: HostState): number {
    let gain = this.#leastGain.get(vm);
    if (gain === undefined) {
      const { minimumGain, horizonSeconds } = this.worth;
      gain = Math.max(minimumGain, costOf(vm, source, this.#bestEnd).pointSeconds / horizonSeconds);
      this.#leastGain.set(vm, gain);
    }
    return leastReliefFor(source, gain) - ROUNDING;
  }

  /** The move as a candidate, if it is allowed, gains enough and relieves more than `least`. */
  #candidate(
    vm: VmFacts,
    source: HostState,
    destination: HostState,
    reliefOfSource: number,
    least: number,
  ): Candidate | null {
    if (destination === source) return null;
    let relief = reliefOfSource - costOfJoining(destination, vm);
    const { affinity } = this.state;
    if (affinity.concerns(vm.id))
      relief += affinity.penalty(vm.id, source.index) - affinity.penalty(vm.id, destination.index);
    if (relief <= least + ROUNDING) return null;
    const gain = gainOf(source, destination, relief);
    if (gain < this.worth.minimumGain + ROUNDING) return null;
    if (costOf(vm, source, destination).pointSeconds >= gain * this.worth.horizonSeconds) return null;
    if (obstacleTo(this.state, destination, vm, this.room)) return null;
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
  const present = changed.filter((host) => sorted.includes(host)); // those that were busy before have left it
  for (const host of present) sorted.splice(sorted.indexOf(host), 1);
  for (const host of present) {
    if (isBusy(host, room)) continue;
    const next = sorted.findIndex((other) => pull(other) > pull(host));
    sorted.splice(next < 0 ? sorted.length : next, 0, host);
  }
}
