/**
 * Would the cluster survive? N+k: any k of the hosts that are up may fail at once, and their VMs still find memory on
 * those that are left.
 *
 * A bound answers first. Whatever order VMs are placed in, a VM of at most M MiB is refused only when every host has
 * less than M free; so hosts with free memory f take at least the sum of max(0, f - M) before that. If for every choice
 * of k hosts that sum over the others covers the memory used on the k, all is well; the worst choice is that of the k
 * hosts with the largest (used + max(0, f - M)). Where the bound says no and the cluster is small, the VMs of each
 * choice of hosts are placed one by one, largest first, to see.
 */
import type { Demand, HostState } from './host-state.js';

/** Above this many choices of hosts that may fail, the bound alone decides. */
const MOST_TRIALS = 64;

/** A VM that comes to a host, from a host that is up or from elsewhere (null). */
interface Arrival {
  readonly vm: Demand;
  readonly destination: HostState;
  readonly source: HostState | null;
}

export class Reservation {
  readonly #largestMiB: number;
  /** By how many MiB the bound holds; null = to be reckoned anew. */
  #margin: number | null = null;

  /** @param failures hosts that may fail at once; 0: nothing is reserved. */
  constructor(
    private readonly hosts: readonly HostState[],
    private readonly failures: number,
  ) {
    this.#largestMiB = hosts.reduce((largest, host) => Math.max(largest, largestOf(host)), 0);
  }

  /** To be called when a VM has been moved. */
  changed(): void {
    this.#margin = null;
  }

  /** Whether it is kept when the VM has come to the destination. */
  allows(vm: Demand, destination: HostState, source: HostState | null): boolean {
    if (this.failures === 0) return true;
    this.#margin ??= this.#bound(null);
    // The destination's slack falls by at most the VM's size, and its weight rises by at most that.
    if (this.#margin >= 2 * vm.memoryMiB && vm.memoryMiB <= this.#largestMiB) return true;
    const arrival = { vm, destination, source: source?.isUp ? source : null };
    return this.#bound(arrival) >= 0 || this.#survives(arrival);
  }

  /** Whether it is kept when these hosts, which must be empty, are no longer used. */
  allowsWithout(gone: ReadonlySet<HostState>): boolean {
    if (this.failures === 0) return true;
    return new Reservation(
      this.hosts.filter((host) => !gone.has(host)),
      this.failures,
    ).holds();
  }

  holds(): boolean {
    return this.failures === 0 || this.#bound(null) >= 0 || this.#survives(null);
  }

  #bound(arrival: Arrival | null): number {
    const largest = Math.max(this.#largestMiB, arrival?.vm.memoryMiB ?? 0);
    const worst = Array.from({ length: this.failures }, () => 0);
    let slackOfAll = 0;
    for (const host of this.hosts) {
      const used = usedMiB(host, arrival);
      const slack = Math.max(0, host.facts.memoryMiB - used - largest);
      slackOfAll += slack;
      const place = worst.findIndex((each) => used + slack > each);
      if (place < 0) continue;
      worst.splice(place, 0, used + slack);
      worst.pop();
    }
    return slackOfAll - worst.reduce((sum, weight) => sum + weight, 0);
  }

  /** Places the VMs of every choice of hosts: the largest first, where least is left. What is found is a proof. */
  #survives(arrival: Arrival | null): boolean {
    if (choices(this.hosts.length, this.failures) > MOST_TRIALS) return false;
    return everyChoice(this.hosts, this.failures, (failed) => {
      const left = this.hosts.filter((host) => !failed.includes(host));
      const free = left.map((host) => host.facts.memoryMiB - usedMiB(host, arrival));
      const homeless = failed.flatMap((host) => sizesOn(host, arrival)).toSorted((a, b) => b - a);
      return homeless.every((size) => {
        let tightest = -1;
        free.forEach((space, index) => {
          if (space >= size && (tightest < 0 || space < free[tightest]!)) tightest = index;
        });
        if (tightest >= 0) free[tightest]! -= size;
        return tightest >= 0;
      });
    });
  }
}

const largestOf = (host: HostState) => [...host.residents].reduce((most, vm) => Math.max(most, vm.memoryMiB), 0);

const usedMiB = (host: HostState, arrival: Arrival | null): number =>
  host.memoryUsedMiB +
  (host === arrival?.destination ? arrival.vm.memoryMiB : 0) -
  (host === arrival?.source ? arrival.vm.memoryMiB : 0);

function sizesOn(host: HostState, arrival: Arrival | null): number[] {
  const sizes = [...host.residents]
    .filter((vm) => vm.id !== arrival?.vm.id || host !== arrival.source)
    .map((vm) => vm.memoryMiB);
  return host === arrival?.destination ? [...sizes, arrival.vm.memoryMiB] : sizes;
}

function choices(hosts: number, failures: number): number {
  let count = 1;
  for (let index = 0; index < failures; index++) count = (count * (hosts - index)) / (index + 1);
  return count;
}

/** Whether it holds for every choice of so many of the items; false if there are not so many. */
function everyChoice<T>(items: readonly T[], size: number, holds: (chosen: readonly T[]) => boolean): boolean {
  if (items.length < size) return false;
  const choose = (from: number, chosen: readonly T[]): boolean => {
    if (chosen.length === size) return holds(chosen);
    for (let index = from; index < items.length; index++)
      if (!choose(index + 1, [...chosen, items[index]!])) return false;
    return true;
  };
  return choose(0, []);
}
