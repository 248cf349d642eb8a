/** Finds the move that lowers imbalance most, again and again, without trying every VM on every host each time. */
import type { ClusterState, HostState } from './cluster-state.js';
import type { VmFacts } from './facts.js';
import { costOfJoining, gainOf, reliefOfLeaving } from './imbalance.js';
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
 * attractive and its source more so, and leaves the other hosts as they were. So what is remembered stays an upper
 * bound if the moves to the relieved host are tried anew; and only the host with the highest bound is searched again.
 */
export class BestMoves {
  readonly #entries: Entry[];

  /** @param eligible VMs of each host (by its index) that may move at all. */
  constructor(
    private readonly state: ClusterState,
    private readonly eligible: readonly (readonly VmFacts[])[],
    private readonly room: Room,
    private readonly minimumGain: number,
  ) {
    this.#entries = state.hosts.map(() => ({ best: null, isCurrent: false, bound: Infinity }));
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
      this.#set(entry, this.#search(first, this.state.hostsUp));
    }
  }

  /** To be called after state.move(): brings what is remembered up to date. */
  moved({ source, destination }: Candidate): void {
    for (const host of this.state.hostsUp) {
      const entry = this.#entry(host);
      if (host === source || host === destination) {
        entry.isCurrent = false;
        entry.bound = Infinity;
      } else if (entry.bound < Infinity) {
        if (entry.best?.destination === source || entry.best?.destination === destination) entry.isCurrent = false;
        const toSource = isBusy(source, this.room) ? null : this.#search(host, [source]);
        if (toSource && toSource.relief > entry.bound) this.#set(entry, toSource);
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

  #search(source: HostState, destinations: readonly HostState[]): Candidate | null {
    let best: Candidate | null = null;
    for (const vm of this.eligible[source.index]!) {
      if (this.state.isMoving(vm)) continue;
      const relief = reliefOfLeaving(source, vm);
      for (const destination of destinations) {
        const total = relief - costOfJoining(destination, vm);
        if (total <= (best?.relief ?? 0) + ROUNDING || destination === source) continue;
        const gain = gainOf(source, destination, total);
        if (gain < this.minimumGain + ROUNDING || obstacleTo(destination, vm, this.room)) continue;
        best = { vm, source, destination, relief: total, gain };
      }
    }
    return best;
  }
}
