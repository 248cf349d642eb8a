/**
 * The policies that CloudSim 3.0.3 brings, written anew to compare with: they prove that the experiment is the same one.
 * Two thresholds for an overloaded host, minimum migration time for who leaves it, power-aware best fit for where to,
 * and every host emptied whose VMs fit elsewhere. Names are those of the paper (Beloglazov and Buyya 2012).
 */
import {
  type Decision,
  type Director,
  type SimulatedHost,
  type SimulatedVm,
  type Simulation,
  percentAt,
} from '#simulator';
import { wattsAt } from '#planner';
import { STEP_S } from './planetlab.js';

/** A host as the policy imagines it while it decides. */
interface Imagined {
  readonly host: SimulatedHost;
  readonly vms: Set<SimulatedVm>;
  askedMips: number;
}

type IsOverloaded = (host: Imagined) => boolean;

/** Hosts draw nothing while they have no load, so nobody has to switch them. */
export const noMigrations: Director = { decide: () => [] };

/** THR: more than a share of the CPU is asked for. */
export const staticThreshold =
  (threshold: number): IsOverloaded =>
  ({ askedMips, host }) =>
    askedMips / host.capacityMips > threshold;

/** Steps that a regression looks at. */
const REGRESSION_LENGTH = 10;
const FALLBACK = staticThreshold(0.7);

/** LR: a straight line through the last steps, times a safety factor, reaches 100 % at the next one. */
export const localRegression =
  (safety: number, pastOf: (vm: SimulatedVm) => readonly number[]): IsOverloaded =>
  (imagined) => {
    const sums = Array.from({ length: REGRESSION_LENGTH }, () => 0);
    let longest = 0;
    for (const vm of imagined.vms) {
      const past = pastOf(vm);
      for (let age = 0; age < past.length; age++) {
        sums[age]! += past[age]!;
        if (past[age]! > 0) longest = Math.max(longest, age + 1);
      }
    }
    if (longest < REGRESSION_LENGTH) return FALLBACK(imagined);
    const meanX = (REGRESSION_LENGTH + 1) / 2;
    const meanY = sums.reduce((sum, y) => sum + y, 0) / REGRESSION_LENGTH;
    let covariance = 0;
    let variance = 0;
    for (const [age, y] of sums.entries()) {
      const x = REGRESSION_LENGTH - age;
      covariance += (x - meanX) * (y - meanY);
      variance += (x - meanX) ** 2;
    }
    const predicted = meanY + (covariance / variance) * (REGRESSION_LENGTH + 1 - meanX);
    return (predicted / imagined.host.capacityMips) * safety >= 1;
  };

export class Consolidation implements Director {
  /** CloudSim counts a VM twice that is sent on within one decision. */
  migrationsCounted = 0;
  readonly #past = new Map<SimulatedVm, number[]>();
  readonly #isOverloaded: IsOverloaded;

  constructor(rule: { readonly threshold: number } | { readonly safety: number }) {
    this.#isOverloaded =
      'threshold' in rule
        ? staticThreshold(rule.threshold)
        : localRegression(rule.safety, (vm) => this.#past.get(vm) ?? []);
  }

  decide({ hosts, vms }: Simulation): Decision[] {
    for (const vm of vms) {
      const past = this.#past.get(vm) ?? [];
      this.#past.set(vm, [vm.requestedMips, ...past.slice(0, REGRESSION_LENGTH - 1)]);
    }
    const imagined = hosts.map((host): Imagined => {
      const here = new Set([...host.vms, ...host.arriving]);
      return { host, vms: here, askedMips: [...here].reduce((sum, vm) => sum + vm.requestedMips, 0) };
    });
    const destinations = new Map<SimulatedVm, SimulatedHost>();
    const overloaded = new Set(imagined.filter(this.#isOverloaded));
    const send = (route: ReadonlyMap<SimulatedVm, Imagined>) => {
      this.migrationsCounted += route.size;
      for (const [vm, { host }] of route) destinations.set(vm, host);
    };
    const leaving = [...overloaded].flatMap((host) => this.#leavers(host));
    send(this.#route(leaving, imagined, overloaded, false) ?? new Map());

    const idle = imagined.filter(({ host }) => host.utilization === 0);
    const closed = new Set([...overloaded, ...idle]);
    const considered = new Set(closed);
    const byLoad = imagined.toSorted((a, b) => a.host.utilization - b.host.utilization);
    for (const source of byLoad) {
      if (considered.has(source) || source.host.utilization >= 1) continue;
      considered.add(source);
      closed.add(source);
      const route = this.#route([...source.vms], imagined, closed, true);
      if (!route) continue;
      send(route);
      for (const destination of route.values()) considered.add(destination);
    }
    const moves = [...destinations].filter(([vm, host]) => vm.host !== host);
    const orders = moves.map(([vm, host]) => ({ vmId: vm.description.id, destinationHostId: host.description.id }));
    return [{ moves: orders, hostActions: [] }];
  }

  /** Minimum migration time: the VM with least memory leaves first, until the host is not overloaded any more. */
  #leavers(host: Imagined): SimulatedVm[] {
    const leaving: SimulatedVm[] = [];
    const byMemory = [...host.vms].toSorted((a, b) => a.description.memoryMiB - b.description.memoryMiB);
    for (const vm of byMemory) {
      leaving.push(vm);
      remove(vm, host);
      if (!this.#isOverloaded(host)) break;
    }
    return leaving;
  }

  /** A host for each VM, those that ask for most first; null if `all` have to fit and do not. */
  #route(
    vms: readonly SimulatedVm[],
    hosts: readonly Imagined[],
    closed: ReadonlySet<Imagined>,
    all: boolean,
  ): Map<SimulatedVm, Imagined> | null {
    const route = new Map<SimulatedVm, Imagined>();
    for (const vm of vms.toSorted((a, b) => b.requestedMips - a.requestedMips)) {
      const destination = this.#find(vm, hosts, closed);
      if (destination) {
        add(vm, destination);
        route.set(vm, destination);
      } else if (all) {
        for (const [placed, host] of route) remove(placed, host);
        return null;
      }
    }
    return route;
  }

  /** The host whose power would rise least above what it draws now. */
  #find(vm: SimulatedVm, hosts: readonly Imagined[], closed: ReadonlySet<Imagined>): Imagined | null {
    let best: Imagined | null = null;
    let leastWatts = Infinity;
    for (const imagined of hosts) {
      const { host, askedMips } = imagined;
      const utilization = (askedMips + vm.requestedMips) / host.capacityMips;
      if (utilization > 1 || host.description.mipsPerCore < vm.requestedMips || closed.has(imagined)) continue;
      const { powerCurve } = host.description;
      const watts = wattsAt(powerCurve, utilization) - wattsAt(powerCurve, host.utilization);
      if (watts >= leastWatts || (askedMips > 0 && this.#wouldOverload(vm, imagined))) continue;
      [best, leastWatts] = [imagined, watts];
    }
    return best;
  }

  #wouldOverload(vm: SimulatedVm, host: Imagined): boolean {
    add(vm, host);
    const would = this.#isOverloaded(host);
    remove(vm, host);
    return would;
  }
}

function add(vm: SimulatedVm, host: Imagined): void {
  host.vms.add(vm);
  host.askedMips += vm.requestedMips;
}

function remove(vm: SimulatedVm, host: Imagined): void {
  host.vms.delete(vm);
  host.askedMips -= vm.requestedMips;
}

/**
 * CloudSim takes a VM that asks for nothing to be completed, and removes it for good (HostDynamicWorkload's
 * getCompletedVms). It looks a tenth of a second after each step, so two steps of 0 % in a row are the end of a VM.
 */
export function removeCompleted(simulation: Simulation): number {
  const completed = simulation.vms.filter(
    (vm) =>
      !vm.migration &&
      vm.host.vms.has(vm) &&
      percentAt(vm.description.cpu, simulation.nowS + STEP_S / 2) === 0 &&
      vm.requestedMips === 0,
  );
  for (const vm of completed) simulation.stop(vm);
  return completed.length;
}
