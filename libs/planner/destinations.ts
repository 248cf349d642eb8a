/** Hosts that VMs may be sent to, those first on which it is cheapest: one list for each resource. */
import type { HostState } from './host-state.js';
import { HostOrder } from './host-order.js';
import { cpuPull, memoryPull, networkPull, ownWeight } from './imbalance.js';

/** Figures kept of each host: for each resource its pull and its own weight. */
const FIGURES = 6;

/**
 * Going through all lists at once, no host further down in all of them can cost less than one with the CPU of the one
 * list, the memory of the other and so on (the threshold algorithm of Fagin, Lotem and Naor, "Optimal aggregation
 * algorithms for middleware", 2001).
 */
export class Destinations {
  readonly orders: readonly HostOrder[];
  readonly #byCpu: HostOrder;
  readonly #byMemory: HostOrder;
  /** Null where the network is left out of scores. */
  readonly #byNetwork: HostOrder | null;
  /** In one flat array, since they are read for each VM and host that are looked at. */
  readonly #figures: Float64Array;
  /** The least that a core (MiB, MiB/s) is of any of the hosts, in percent. */
  readonly #leastPercent: readonly [perCore: number, perMiB: number, perMiBps: number];

  /** @param places of all hosts of the cluster. */
  constructor(hosts: readonly HostState[], places: number) {
    this.#byCpu = new HostOrder(hosts, cpuPull);
    this.#byMemory = new HostOrder(hosts, memoryPull);
    this.#byNetwork = hosts[0]?.dimensions === 3 ? new HostOrder(hosts, networkPull) : null;
    this.orders = [this.#byCpu, this.#byMemory, ...(this.#byNetwork ? [this.#byNetwork] : [])];
    this.#figures = new Float64Array(FIGURES * places);
    for (const host of hosts) this.#note(host);
    const least = (of: (host: HostState) => number) =>
      hosts.reduce((lowest, host) => Math.min(lowest, of(host)), Infinity);
    this.#leastPercent = [
      least(({ percentPerCore }) => percentPerCore),
      least(({ percentPerMiB }) => percentPerMiB),
      least(({ percentPerMiBps }) => percentPerMiBps),
    ];
  }

  get length(): number {
    return this.#byCpu.length;
  }

  /** The same as costOfJoining, quicker. */
  costOfJoining({ index }: HostState, cores: number, memoryMiB: number, networkMiBps: number): number {
    const figures = this.#figures;
    const at = FIGURES * index;
    return (
      cores * (figures[at]! + cores * figures[at + 1]!) +
      memoryMiB * (figures[at + 2]! + memoryMiB * figures[at + 3]!) +
      networkMiBps * (figures[at + 4]! + networkMiBps * figures[at + 5]!)
    );
  }

  /** What a VM costs at least at this place of the lists, and further down (see costOfJoining); place < length. */
  leastCostAt(place: number, cores: number, memoryMiB: number, networkMiBps: number): number {
    const network = this.#byNetwork ? networkMiBps * this.#byNetwork.keyAt(place) : 0;
    return cores * this.#byCpu.keyAt(place) + memoryMiB * this.#byMemory.keyAt(place) + network;
  }

  /** No move away from the host relieves more, wherever it goes (see mostRelief); 0 without destinations. */
  mostReliefOf(source: HostState): number {
    if (this.length === 0) return 0;
    const { dimensions, cpuDeviation, memoryDeviation, networkDeviation } = source;
    const [perCore, perMiB, perMiBps] = this.#leastPercent;
    const most = (order: HostOrder, deviation: number, percentPerUnit: number, leastPercent: number) => {
      const apart = deviation - (order.keyAt(0) * dimensions) / 2 / percentPerUnit;
      return apart > 0 ? apart ** 2 / (1 + (leastPercent / percentPerUnit) ** 2) : 0;
    };
    const sum =
      most(this.#byCpu, cpuDeviation, source.percentPerCore, perCore) +
      most(this.#byMemory, memoryDeviation, source.percentPerMiB, perMiB) +
      (this.#byNetwork ? most(this.#byNetwork, networkDeviation, source.percentPerMiBps, perMiBps) : 0);
    return sum / dimensions;
  }

  update(host: HostState): void {
    for (const order of this.orders) order.update(host);
    this.#note(host);
  }

  delete(host: HostState): void {
    for (const order of this.orders) order.delete(host);
  }

  #note(host: HostState): void {
    this.#figures.set(
      [
        cpuPull(host),
        ownWeight(host, host.percentPerCore),
        memoryPull(host),
        ownWeight(host, host.percentPerMiB),
        networkPull(host),
        ownWeight(host, host.percentPerMiBps),
      ],
      FIGURES * host.index,
    );
  }
}
