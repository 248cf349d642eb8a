/**
 * The cluster as a plan is being made: loads as they will be when every move so far has arrived, and memory as it must
 * be available until then. Arrays are sorted by name and id, so that equal facts in any order give the same plan.
 */
import type { ClusterFacts, DriverNeed, HostFacts, InFlightMove, VmFacts } from './facts.js';

/** What a VM takes from its host. */
export interface Demand extends DriverNeed {
  readonly cpuUsedCores: number;
  readonly memoryMiB: number;
  readonly vcpus: number;
}

export class HostState {
  readonly id: string;
  readonly name: string;
  readonly isUp: boolean;
  readonly vms: VmFacts[] = [];
  /** With moves counted as arrived. */
  memoryUsedMiB = 0;
  cpuUsedCores: number;
  /** A VM on its way holds memory on both ends: this is what must not exceed the host's memory. */
  memoryHeldMiB = 0;
  /** Moves that leave or arrive, under way or planned. */
  migrations = 0;
  /** Percent points above (or below) the cluster's average. */
  cpuDeviation = 0;
  memoryDeviation = 0;
  readonly percentPerCore: number;
  readonly percentPerMiB: number;

  constructor(
    readonly facts: HostFacts,
    /** Place in ClusterState.hosts. */
    readonly index: number,
  ) {
    this.id = facts.id;
    this.name = facts.name;
    this.isUp = facts.status === 'up';
    this.cpuUsedCores = facts.cpuUsedCores;
    this.percentPerCore = 100 / facts.cpuCores;
    this.percentPerMiB = 100 / facts.memoryMiB;
  }

  get cpuPercent(): number {
    return this.cpuUsedCores * this.percentPerCore;
  }

  get memoryPercent(): number {
    return this.memoryUsedMiB * this.percentPerMiB;
  }
}

export class ClusterState {
  readonly hosts: readonly HostState[];
  readonly hostsUp: readonly HostState[];
  readonly #hostsById: ReadonlyMap<string, HostState>;
  readonly #vmsById: ReadonlyMap<string, VmFacts>;
  readonly #moving = new Set<string>();

  /** @throws RangeError for a VM or move whose host is not among the hosts: the facts contradict themselves. */
  constructor(facts: ClusterFacts) {
    this.hosts = facts.hosts.toSorted(byName).map((host, index) => new HostState(host, index));
    this.hostsUp = this.hosts.filter((host) => host.isUp);
    this.#hostsById = new Map(this.hosts.map((host) => [host.id, host]));
    const vms = facts.vms.toSorted(byName);
    this.#vmsById = new Map(vms.map((vm) => [vm.id, vm]));
    for (const vm of vms) {
      if (vm.status === 'down') continue;
      const host = this.host(vm.hostId);
      host.vms.push(vm);
      host.memoryUsedMiB += vm.memoryMiB;
      host.memoryHeldMiB += vm.memoryMiB;
    }
    for (const move of facts.inFlight.toSorted(byVm)) this.#depart(move);
    this.recentre();
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

  isMoving(vm: VmFacts): boolean {
    return this.#moving.has(vm.id);
  }

  /** Plans a move: load counts at the destination from now on, memory on both ends. */
  move(vm: VmFacts, destination: HostState): void {
    const source = this.host(vm.hostId);
    this.#depart({ vmId: vm.id, sourceHostId: source.id, destinationHostId: destination.id });
    source.cpuDeviation -= vm.cpuUsedCores * source.percentPerCore;
    source.memoryDeviation -= vm.memoryMiB * source.percentPerMiB;
    destination.cpuDeviation += vm.cpuUsedCores * destination.percentPerCore;
    destination.memoryDeviation += vm.memoryMiB * destination.percentPerMiB;
  }

  /**
   * Measures deviations from the average anew. Moves between hosts that are up leave it as it is (it is the load of
   * all over the capacity of all); VMs that come from elsewhere raise it.
   */
  recentre(): void {
    const sum = (of: (host: HostState) => number) => this.hostsUp.reduce((total, host) => total + of(host), 0);
    const cpuPercent = (100 * sum((host) => host.cpuUsedCores)) / sum((host) => host.facts.cpuCores);
    const memoryPercent = (100 * sum((host) => host.memoryUsedMiB)) / sum((host) => host.facts.memoryMiB);
    for (const host of this.hostsUp) {
      host.cpuDeviation = host.cpuPercent - cpuPercent;
      host.memoryDeviation = host.memoryPercent - memoryPercent;
    }
  }

  #depart({ vmId, sourceHostId, destinationHostId }: InFlightMove): void {
    const source = this.host(sourceHostId);
    const destination = this.host(destinationHostId);
    source.migrations++;
    destination.migrations++;
    this.#moving.add(vmId);
    const vm = this.#vmsById.get(vmId);
    if (!vm) return;
    if (vm.hostId === destinationHostId) {
      source.memoryHeldMiB += vm.memoryMiB; // The destination owns it; the source has yet to let go.
      return;
    }
    destination.memoryHeldMiB += vm.memoryMiB;
    if (vm.status === 'down') return; // It ended on the way; the destination has yet to let go.
    source.cpuUsedCores -= vm.cpuUsedCores;
    source.memoryUsedMiB -= vm.memoryMiB;
    destination.cpuUsedCores += vm.cpuUsedCores;
    destination.memoryUsedMiB += vm.memoryMiB;
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const byVm = (a: InFlightMove, b: InFlightMove) => compare(a.vmId, b.vmId);

/** Sorting order of hosts and VMs: by name, then id. */
const byName = <T extends { readonly name: string; readonly id: string }>(a: T, b: T): number =>
  compare(a.name, b.name) || compare(a.id, b.id);
