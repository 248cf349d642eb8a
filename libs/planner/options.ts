/** VMs of one host that may move, with what a search asks of each of them again and again. */
import type { Destinations } from './destinations.js';
import type { VmFacts } from './facts.js';
import { type HostState, networkOf } from './host-state.js';
import { leastReliefFor } from './imbalance.js';
import { ROUNDING } from './words.js';

/** Figures of each VM, in one flat array: the facts of twenty thousand VMs are in no processor's cache. */
const CORES = 0;
const MEMORY_MIB = 1;
const NETWORK_MIBPS = 2;
const LEAST_GAIN = 3;
const RELIEF = 4;
const LEAST = 5;
const MOST = 6;
/** MOST on the best destination that one could think of: with the CPU of one host, the memory of another. */
const BOUND = 7;
const FIGURES = 8;

/** One VM as weigh() found it; figures are in units of relief (see imbalance.ts). */
export interface Option {
  readonly vm: VmFacts;
  readonly isRuled: boolean;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly networkMiBps: number;
  /** What its source is relieved of when it leaves. */
  readonly relief: number;
  /** What its move must bring to be worth what it costs. */
  readonly least: number;
  /** What its leaving brings at most, soft rules included. */
  readonly most: number;
}

export class Options {
  #figures: Float64Array;
  readonly #ruled: Set<VmFacts>;
  readonly #vms: VmFacts[];

  /**
   * @param leastGain points that a move of the VM must gain to be worth what it costs, wherever it goes.
   * @param isRuled whether affinity groups are about it.
   */
  constructor(
    private readonly source: HostState,
    vms: readonly VmFacts[],
    leastGain: (vm: VmFacts) => number,
    isRuled: (vm: VmFacts) => boolean,
  ) {
    this.#vms = [...vms];
    this.#figures = new Float64Array(FIGURES * vms.length);
    this.#ruled = new Set(vms.filter(isRuled));
    for (const [index, vm] of vms.entries()) {
      const at = FIGURES * index;
      this.#figures[at + CORES] = vm.cpuUsedCores;
      this.#figures[at + MEMORY_MIB] = vm.memoryMiB;
      this.#figures[at + NETWORK_MIBPS] = networkOf(vm);
      this.#figures[at + LEAST_GAIN] = leastGain(vm);
    }
  }

  /** It moves no more. */
  delete(vm: VmFacts): void {
    const index = this.#vms.indexOf(vm);
    if (index < 0) return;
    this.#vms.splice(index, 1);
    this.#figures.copyWithin(FIGURES * index, FIGURES * (index + 1));
    this.#figures = this.#figures.subarray(0, FIGURES * this.#vms.length);
    this.#ruled.delete(vm);
  }

  get hasRuled(): boolean {
    return this.#ruled.size > 0;
  }

  /**
   * Weighs all of them as things are.
   * @param penaltyOf what soft rules hold against a VM where it is.
   * @returns the least relief that any of them needs.
   */
  weigh(destinations: Destinations, penaltyOf: (vm: VmFacts) => number): number {
    const figures = this.#figures;
    const { percentPerCore, percentPerMiB, percentPerMiBps, dimensions } = this.source;
    const { cpuDeviation, memoryDeviation, networkDeviation } = this.source;
    let floor = Infinity;
    for (let at = 0, index = 0; at < figures.length; at += FIGURES, index++) {
      const cpu = figures[at + CORES]! * percentPerCore;
      const memory = figures[at + MEMORY_MIB]! * percentPerMiB;
      const network = figures[at + NETWORK_MIBPS]! * percentPerMiBps;
      // reliefOfLeaving(), written out
      const relief =
        (cpu * (2 * cpuDeviation - cpu) +
          memory * (2 * memoryDeviation - memory) +
          network * (2 * networkDeviation - network)) /
        dimensions;
      const least = leastReliefFor(this.source, figures[at + LEAST_GAIN]!) - ROUNDING;
      const vm = this.#vms[index]!;
      const most = this.hasRuled && this.#ruled.has(vm) ? relief + penaltyOf(vm) : relief;
      figures[at + RELIEF] = relief;
      figures[at + LEAST] = least;
      figures[at + MOST] = most;
      figures[at + BOUND] = most - this.#leastCost(destinations, at);
      floor = Math.min(floor, least);
    }
    return floor;
  }

  /** After weigh(): the most promising one that has not been taken yet; null if none may relieve more than `toBeat`. */
  takeNext(toBeat: number): Option | null {
    const figures = this.#figures;
    let first = -1;
    let highest = toBeat;
    for (let at = BOUND, index = 0; index < this.#vms.length; at += FIGURES, index++) {
      if (figures[at]! <= highest) continue;
      first = index;
      highest = figures[at]!;
    }
    if (first < 0) return null;
    const option = this.#option(first);
    figures[FIGURES * first + BOUND] = -Infinity;
    return option;
  }

  /** After weigh(): all of them. */
  all(): Option[] {
    return this.#vms.map((_, index) => this.#option(index));
  }

  #leastCost(destinations: Destinations, at: number): number {
    const figures = this.#figures;
    if (destinations.length === 0) return 0;
    return destinations.leastCostAt(0, figures[at + CORES]!, figures[at + MEMORY_MIB]!, figures[at + NETWORK_MIBPS]!);
  }

  #option(index: number): Option {
    const at = FIGURES * index;
    const figures = this.#figures;
    const vm = this.#vms[index]!;
    return {
      vm,
      isRuled: this.#ruled.has(vm),
      cores: figures[at + CORES]!,
      memoryMiB: figures[at + MEMORY_MIB]!,
      networkMiBps: figures[at + NETWORK_MIBPS]!,
      relief: figures[at + RELIEF]!,
      least: figures[at + LEAST]!,
      most: figures[at + MOST]!,
    };
  }
}
