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
import { HostOrder } from './host-order.js';
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
  /** The largest VM, which all slack is reckoned by. */
  readonly #largestMiB: number;
  readonly #slackMiB = new Map<HostState, number>();
  #slackOfAllMiB = 0;
  /** Those first whose failure would cost most. */
  readonly #byWeight: HostOrder;

  /** @param failures hosts that may fail at once; 0: nothing is reserved. */
  constructor(
    private readonly hosts: readonly HostState[],
    private readonly failures: number,
  ) {
    const reserved = failures === 0 ? [] : hosts;
    this.#largestMiB = reserved.reduce((largest, host) => Math.max(largest, largestOf(host)), 0);
    for (const host of reserved) this.#note(host);
    this.#byWeight = new HostOrder(reserved, (host) => -this.#weight(host, host.memoryUsedMiB));
  }

  /** To be called when VMs of these hosts have been moved. */
  changed(...hosts: readonly HostState[]): void {
    for (const host of hosts) {
      if (!this.#slackMiB.has(host)) continue;
      this.#note(host);
      this.#byWeight.update(host);
    }
  }

  /** Whether it is kept when the VM has come to the destination. */
  allows(vm: Demand, destination: HostState, source: HostState | null): boolean {
    if (this.failures === 0) return true;
    const arrival = { vm, destination, source: source?.isUp ? source : null };
    return this.#bound(arrival) >= 0 || this.#survives(this.hosts, arrival);
  }

  holds(): boolean {
    return this.allowsWithout(new Set());
  }

  /** Whether it is kept when these hosts, which must be empty, are no longer used. */
  allowsWithout(gone: ReadonlySet<HostState>): boolean {
    if (this.failures === 0 || this.#bound(null, gone) >= 0) return true;
    return this.#survives(
      this.hosts.filter((host) => !gone.has(host)),
      null,
    );
  }

  /** By how many MiB the bound holds, after the arrival and without the hosts that are gone. */
  #bound(arrival: Arrival | null, gone?: ReadonlySet<HostState>): number {
    const changed = arrival ? [arrival.destination, ...(arrival.source ? [arrival.source] : [])] : [];
    if (arrival && arrival.vm.memoryMiB > this.#largestMiB) return this.#boundForLargest(arrival);
    let slackOfAll = this.#slackOfAllMiB;
    const weights: number[] = [];
    for (const host of changed) {
      const used = usedMiB(host, arrival);
      slackOfAll += this.#slack(host, used) - this.#slackMiB.get(host)!;
      weights.push(this.#weight(host, used));
    }
    if (gone) for (const host of gone) slackOfAll -= this.#slackMiB.get(host)!;
    const most = this.failures + weights.length;
    for (const host of this.#byWeight) {
      if (weights.length >= most) break;
      if (!changed.includes(host) && !gone?.has(host)) weights.push(this.#weight(host, host.memoryUsedMiB));
    }
    return slackOfAll - sumOfLargest(weights, this.failures);
  }

  /** The same for a VM that is larger than all others, which leaves less slack everywhere. */
  #boundForLargest(arrival: Arrival): number {
    let slackOfAll = 0;
    const weights = this.hosts.map((host) => {
      const used = usedMiB(host, arrival);
      const slack = this.#slack(host, used, arrival.vm.memoryMiB);
      slackOfAll += slack;
      return used + slack;
    });
    return slackOfAll - sumOfLargest(weights, this.failures);
  }

  #slack(host: HostState, used: number, largestMiB = this.#largestMiB): number {
    return Math.max(0, host.facts.memoryMiB - used - largestMiB);
  }

  #weight(host: HostState, used: number): number {
    return used + this.#slack(host, used);
  }

  #note(host: HostState): void {
    const slack = this.#slack(host, host.memoryUsedMiB);
    this.#slackOfAllMiB += slack - (this.#slackMiB.get(host) ?? 0);
    this.#slackMiB.set(host, slack);
  }

  /** Places the VMs of every choice of hosts: the largest first, where least is left. What is found is a proof. */
  #survives(hosts: readonly HostState[], arrival: Arrival | null): boolean {
    if (choices(hosts.length, this.failures) > MOST_TRIALS) return false;
    return everyChoice(hosts, this.failures, (failed) => {
      const left = hosts.filter((host) => !failed.includes(host));
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

const sumOfLargest = (weights: readonly number[], count: number): number =>
  weights
    .toSorted((a, b) => b - a)
    .slice(0, count)
    .reduce((sum, weight) => sum + Math.max(0, weight), 0);

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
