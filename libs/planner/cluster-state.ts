/**
 * The cluster as a plan is being made: loads as they will be when every move so far has arrived, and memory as it must
 * be available until then. Arrays are sorted by name and id, so that equal facts in any order give the same plan.
 */
import { Affinity } from './affinity.js';
import type { ClusterFacts, InFlightMove, VmFacts } from './facts.js';
import { HostState, expectedLoad } from './host-state.js';
import { squaredDeviation } from './imbalance.js';
import { pressureOf } from './pressure.js';
import { Reservation } from './reservation.js';
import { SumTree } from './sum-tree.js';

export class ClusterState {
  readonly hosts: readonly HostState[];
  readonly hostsUp: readonly HostState[];
  readonly affinity: Affinity;
  readonly reservation: Reservation;
  readonly #hostsById: ReadonlyMap<string, HostState>;
  readonly #vmsById: ReadonlyMap<string, VmFacts>;
  /** Where each VM on its way goes; one that steps aside for others goes to several hosts, one after the other. */
  readonly #routes = new Map<string, HostState[]>();
  /** Squared deviations of the hosts that are up (see imbalance.ts). */
  readonly #deviations: SumTree;

  /**
   * @param haReservation hosts that may fail at once.
   * @throws RangeError for a VM or move whose host is not among the hosts: the facts contradict themselves.
   */
  constructor(facts: ClusterFacts, haReservation = 0) {
    this.hosts = facts.hosts.toSorted(byName).map((host, index) => new HostState(host, index));
    this.hostsUp = this.hosts.filter((host) => host.isUp);
    this.#deviations = new SumTree(this.hosts.length);
    this.#hostsById = new Map(this.hosts.map((host) => [host.id, host]));
    if (this.hostsUp.every((host) => host.networkMiBps !== null)) {
      for (const host of this.hosts) {
        host.dimensions = 3;
        host.percentPerMiBps = 100 / (host.networkMiBps ?? Infinity);
      }
    }
    const leastPressure = Math.min(...this.hostsUp.map(pressureOf));
    for (const host of this.hosts) host.leastPressure = leastPressure;
    const vms = facts.vms.toSorted(byName);
    this.#vmsById = new Map(vms.map((vm) => [vm.id, vm]));
    const running = vms.filter((vm) => vm.status !== 'down');
    this.affinity = new Affinity(facts.affinityGroups, running, this.hosts);
    for (const vm of running) {
      const host = this.host(vm.hostId);
      host.vms.push(vm);
      host.residents.add(vm);
      host.memoryUsedMiB += vm.memoryMiB;
      host.memoryHeldMiB += vm.memoryMiB;
      const { mean, variance } = expectedLoad(vm);
      host.expectedCores += mean;
      host.expectedVariance += variance;
      this.affinity.settle(vm.id, host.index);
    }
    for (const move of facts.inFlight.toSorted(byVm)) this.#resume(move);
    for (const host of this.hosts) host.migrationsUnderWay = host.migrations;
    this.reservation = new Reservation(this.hostsUp, haReservation);
    this.recentre();
  }

  findHost(id: string): HostState | undefined {
    return this.#hostsById.get(id);
  }

  findVm(id: string): VmFacts | undefined {
    return this.#vmsById.get(id);
  }

  host(id: string): HostState {
    const host = this.#hostsById.get(id);
    if (!host) throw new RangeError(`the facts name host ${id}, which is not among the cluster's hosts`);
    return host;
  }

  vm(id: string): VmFacts {
    const vm = this.#vmsById.get(id);
    if (!vm) throw new RangeError(`VM ${id} does not run in this cluster`);
    return vm;
  }

  isMoving(vm: { readonly id: string }): boolean {
    return this.#routes.has(vm.id);
  }

  /** Where the VM is when all moves have arrived. */
  locationOf(vm: { readonly id: string; readonly hostId: string }): HostState {
    return this.#routes.get(vm.id)?.at(-1) ?? this.host(vm.hostId);
  }

  /** Plans a move: load counts at the destination from now on, memory on both ends. */
  move(vm: VmFacts, destination: HostState): void {
    const source = this.locationOf(vm);
    this.#route(vm.id, destination);
    source.migrations++;
    destination.migrations++;
    destination.memoryHeldMiB += vm.memoryMiB;
    destination.disksArriving.reserve(vm, 1);
    this.#carry(vm, source, destination);
    this.affinity.depart(vm.id, destination.index);
    this.reservation.changed(source, destination);
  }

  /** Takes back the VM's last move that was planned. */
  undo(vm: VmFacts): void {
    const destination = this.locationOf(vm);
    const route = this.#routes.get(vm.id)!;
    route.pop();
    if (route.length === 0) this.#routes.delete(vm.id);
    const source = this.locationOf(vm);
    source.migrations--;
    destination.migrations--;
    destination.memoryHeldMiB -= vm.memoryMiB;
    destination.disksArriving.reserve(vm, -1);
    this.#carry(vm, destination, source);
    this.affinity.comeBack(vm.id, source.index);
    this.reservation.changed(source, destination);
  }

  /**
   * Measures deviations from the average anew. Moves between hosts that are up leave it as it is (it is the load of
   * all over the capacity of all); VMs that come from elsewhere raise it.
   */
  recentre(): void {
    const sum = (of: (host: HostState) => number) => this.hostsUp.reduce((total, host) => total + of(host), 0);
    const cpuPercent = (100 * sum((host) => host.cpuUsedCores)) / sum((host) => host.facts.cpuCores);
    const memoryPercent = (100 * sum((host) => host.memoryUsedMiB)) / sum((host) => host.facts.memoryMiB);
    const networkPercent = (100 * sum((host) => host.networkUsedMiBps)) / sum((host) => host.networkMiBps ?? 0);
    for (const host of this.hostsUp) {
      host.cpuDeviation = host.cpuPercent - cpuPercent;
      host.memoryDeviation = host.memoryPercent - memoryPercent;
      if (host.dimensions === 3) host.networkDeviation = host.networkUsedMiBps * host.percentPerMiBps - networkPercent;
      this.#deviations.set(host.index, squaredDeviation(host));
    }
  }

  /** Of the hosts that are up. */
  get sumOfSquaredDeviations(): number {
    return this.#deviations.sum;
  }

  #carry(vm: VmFacts, from: HostState, to: HostState): void {
    from.load(vm, -1);
    to.load(vm, 1);
    for (const host of [from, to]) if (host.isUp) this.#deviations.set(host.index, squaredDeviation(host));
  }

  #route(vmId: string, destination: HostState): void {
    const route = this.#routes.get(vmId);
    if (route) route.push(destination);
    else this.#routes.set(vmId, [destination]);
  }

  #resume({ vmId, sourceHostId, destinationHostId, isPromised = false }: InFlightMove): void {
    const source = this.host(sourceHostId);
    const destination = this.host(destinationHostId);
    const vm = this.#vmsById.get(vmId);
    const isFirst = !this.#routes.has(vmId);
    if (!isPromised) {
      source.migrations++;
      destination.migrations++;
    }
    this.#route(vmId, destination);
    if (!vm) return;
    if (vm.hostId === destinationHostId && isFirst) {
      source.memoryHeldMiB += vm.memoryMiB; // The destination owns it; the source has yet to let go.
      return;
    }
    destination.memoryHeldMiB += vm.memoryMiB;
    destination.disksArriving.reserve(vm, 1);
    if (vm.status === 'down') return; // It ended on the way; the destination has yet to let go.
    this.#carry(vm, source, destination);
    this.affinity.depart(vm.id, destination.index);
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byVm = (a: InFlightMove, b: InFlightMove) => compare(a.vmId, b.vmId);

/** Sorting order of hosts and VMs: by name, then id. */
export const byName = <T extends { readonly name: string; readonly id: string }>(a: T, b: T): number =>
  compare(a.name, b.name) || compare(a.id, b.id);
