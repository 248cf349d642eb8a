/**
 * Hosts and VMs in simulated time: who gets how much CPU, what it costs in watts, and who waited for what.
 *
 * CPU is shared as in CloudSim 3.0.3 (VmSchedulerTimeSharedOverSubscription): a VM gets what it asks for, at most a
 * core's speed for each vCPU; if all together ask for more than the host has, each gets the same share of what it asked
 * for. A VM on its way loses a tenth at the source (Beloglazov and Buyya 2012, section 6.2), and copying it takes a tenth
 * of its demand at the destination.
 */
import type { HostStatus, VmPlacement } from '#contracts';
import { HOST_TRANSITIONS, transition } from '#lifecycle';
import { type PowerCurve, wattsAt } from '#planner';
import { type Trace, percentAt } from './trace.js';

const MIGRATION_SHARE = 0.1;
/** Sums of fractions differ in the last digits; a host that lacks less than this lacks nothing. */
const ROUNDING_MIPS = 1e-6;

export interface HostDescription {
  readonly id: string;
  readonly name: string;
  readonly cores: number;
  /** Speed of a core, in any unit that hosts and VMs share. */
  readonly mipsPerCore: number;
  readonly memoryMiB: number;
  readonly linkMbps: number;
  readonly powerCurve: PowerCurve;
  readonly offWatts: number;
  readonly bootSeconds: number;
  readonly labels?: readonly string[];
}

export interface VmDescription {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  /** Speed of a vCPU at 100 %. */
  readonly mipsPerVcpu: number;
  readonly memoryMiB: number;
  readonly cpu: Trace;
  /** Percent of its memory that it uses, which is what a migration copies; null = all of it. */
  readonly memory: Trace | null;
  /** Percent of its host's link; null = none. */
  readonly network: Trace | null;
  readonly labels?: readonly string[];
  /** What the guest writes; absent: not known, and copied as if it were nothing. */
  readonly dirtyMiBps?: number;
  /** Memory that it writes again and again; absent: all that it uses. */
  readonly hotMiB?: number;
  /** Who may move it; absent: policies and people. */
  readonly placement?: VmPlacement;
  /** Of two on a host that is emptied the one with the higher priority leaves first; absent: 1. */
  readonly priority?: number;
}

export type Power = 'on' | 'booting' | 'off';

export interface SimulatedMigration {
  readonly id: string;
  readonly vm: SimulatedVm;
  readonly source: SimulatedHost;
  readonly destination: SimulatedHost;
  readonly startedS: number;
}

export class SimulatedVm {
  migration: SimulatedMigration | null = null;
  /** Percent of its CPU that its migration takes away, so that it writes less. */
  throttlePercent = 0;
  requestedMips: number;
  allocatedMips = 0;
  /** Sums over time so far, in MIPS times seconds. */
  requested = 0;
  allocated = 0;
  lostInMigrations = 0;
  residentS = 0;

  constructor(
    readonly description: VmDescription,
    public host: SimulatedHost,
  ) {
    this.requestedMips = this.requestAt(0);
  }

  /** It has been stopped for maintenance, or for good. */
  get isDown(): boolean {
    return !this.host.vms.has(this);
  }

  /** What a migration has to copy. */
  usedMiBAt(nowS: number): number {
    const { memory, memoryMiB } = this.description;
    return memory ? (memoryMiB * percentAt(memory, nowS)) / 100 : memoryMiB;
  }

  requestAt(nowS: number): number {
    const { cpu, mipsPerVcpu, vcpus } = this.description;
    return (percentAt(cpu, nowS) / 100) * mipsPerVcpu * vcpus;
  }
}

export class SimulatedHost {
  readonly vms = new Set<SimulatedVm>();
  /** VMs on their way here; they still run elsewhere. */
  readonly arriving = new Set<SimulatedVm>();
  readonly capacityMips: number;
  power: Power = 'on';
  /** Since when `power` has been so. */
  powerSinceS = 0;
  /** A policy has put it into maintenance to save power. */
  isParked = false;
  /** CPU in use, 0 to 1. */
  utilization = 0;
  /** Some VM gets less than it asks for. */
  isOverloaded = false;
  /** Sums over time so far. */
  energyJ = 0;
  onS = 0;
  activeS = 0;
  overloadedS = 0;
  #status: HostStatus = 'up';
  #updatedS = 0;

  /** @param idleIsOff a host without load draws nothing, as CloudSim has it. */
  constructor(
    readonly description: HostDescription,
    readonly idleIsOff: boolean,
  ) {
    this.capacityMips = description.cores * description.mipsPerCore;
  }

  get status(): HostStatus {
    return this.#status;
  }

  /** @throws IllegalTransition. */
  changeStatus(to: HostStatus): void {
    this.#status = transition(HOST_TRANSITIONS, `host ${this.description.name}`, this.#status, to);
  }

  switchPower(to: Power, nowS: number): void {
    this.advance(nowS);
    this.power = to;
    this.powerSinceS = nowS;
    this.share();
  }

  /** Lets time pass: sums up what has been since the last update, then load goes along its traces. */
  advance(nowS: number): void {
    const elapsedS = nowS - this.#updatedS;
    if (elapsedS <= 0) return;
    this.#updatedS = nowS;
    const wattsBefore = this.watts;
    const wasActive = this.utilization > 0;
    const wasOverloaded = this.isOverloaded;
    for (const vm of this.vms) {
      vm.requested += vm.requestedMips * elapsedS;
      vm.allocated += vm.allocatedMips * elapsedS;
      vm.residentS += elapsedS;
      if (vm.migration) vm.lostInMigrations += (vm.requestedMips - vm.allocatedMips) * elapsedS;
      vm.requestedMips = vm.requestAt(nowS);
    }
    this.share();
    // Between two updates load goes along a straight line. What counted as off at the first counts so until the second.
    const wattsAfter = this.idleIsOff && !wasActive ? 0 : this.watts;
    this.energyJ += ((wattsBefore + wattsAfter) / 2) * elapsedS;
    if (this.power !== 'off') this.onS += elapsedS;
    if (wasActive) this.activeS += elapsedS;
    if (wasActive && wasOverloaded) this.overloadedS += elapsedS;
  }

  /** What it draws now. A host that boots does so at full load. */
  get watts(): number {
    const { powerCurve, offWatts } = this.description;
    switch (this.power) {
      case 'off':
        return offWatts;
      case 'booting':
        return wattsAt(powerCurve, 1);
      case 'on':
        return this.idleIsOff && this.utilization === 0 ? 0 : wattsAt(powerCurve, this.utilization);
    }
  }

  /** What its VMs ask for, which is more than they get where it is overloaded. */
  get askedMips(): number {
    let sum = 0;
    for (const vm of this.vms) sum += vm.requestedMips;
    return sum;
  }

  /**
   * Percent of time in which some VM waits for a core. With `n` that never rest on one core it is all of the time for any
   * n of two or more: what is asked for above the capacity is at least so much waiting.
   */
  get cpuPressurePercent(): number {
    return Math.min(100, Math.max(0, (100 * (this.askedMips - this.capacityMips)) / this.capacityMips));
  }

  /** Shares the CPU among the VMs that are here now. */
  share(): void {
    const { mipsPerCore } = this.description;
    let asked = 0;
    let usable = 0;
    for (const vm of this.vms) {
      asked += vm.requestedMips;
      usable += usableMips(vm, mipsPerCore);
    }
    for (const vm of this.arriving) {
      asked += vm.requestedMips;
      usable += MIGRATION_SHARE * usableMips(vm, mipsPerCore);
    }
    const capacity = this.power === 'on' ? this.capacityMips : 0;
    const share = usable > capacity ? capacity / usable : 1;
    for (const vm of this.vms) {
      const granted = usableMips(vm, mipsPerCore) * share;
      vm.allocatedMips = vm.migration ? granted * (1 - MIGRATION_SHARE) * (1 - vm.throttlePercent / 100) : granted;
    }
    const used = Math.min(usable, capacity);
    this.utilization = used / this.capacityMips;
    this.isOverloaded = used < asked - ROUNDING_MIPS;
  }
}

const usableMips = (vm: SimulatedVm, mipsPerCore: number): number =>
  Math.min(vm.requestedMips, mipsPerCore * vm.description.vcpus);
