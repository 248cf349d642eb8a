/** A host as a plan is being made. */
import type { DriverNeed, HostFacts, LocalDisk, VmFacts } from './facts.js';
import { DisksArriving } from './storage-room.js';

/** What a VM takes from its host. */
export interface Demand extends DriverNeed {
  readonly id: string;
  readonly name: string;
  /** Null: it runs nowhere yet. */
  readonly hostId: string | null;
  readonly cpuUsedCores: number;
  readonly memoryMiB: number;
  /** Null: not known. */
  readonly networkUsedMiBps: number | null;
  readonly vcpus: number;
  readonly history: VmFacts['history'];
  /** Disks that go with it, or are made where it starts; absent: none. */
  readonly localDisks?: readonly LocalDisk[];
  readonly recentMoves: VmFacts['recentMoves'];
}

/** What is known of a VM that does not run yet. */
export const UNMEASURED = {
  hostId: null,
  cpuUsedCores: 0,
  networkUsedMiBps: null,
  history: null,
  recentMoves: [],
} as const satisfies Partial<Demand>;

/** Cores that a VM is expected to use while nothing is known of it, for each of its vCPUs. */
export const EXPECTED_CORES_PER_VCPU = 0.5;

/** What it is expected to use next, in cores, and the variance of that. */
export function expectedLoad({ history, cpuUsedCores, vcpus }: Demand): { mean: number; variance: number } {
  if (!history) return { mean: Math.max(cpuUsedCores, vcpus * EXPECTED_CORES_PER_VCPU), variance: 0 };
  return { mean: Math.max(history.meanCores, history.recentMeanCores), variance: history.standardDeviationCores ** 2 };
}

/** What is known of its use of the network, in MiB/s. */
export const networkOf = ({ networkUsedMiBps }: Pick<Demand, 'networkUsedMiBps'>): number => networkUsedMiBps ?? 0;

export class HostState {
  readonly id: string;
  readonly name: string;
  readonly isUp: boolean;
  /** VMs that run here as the facts say; moves of the plan change it not. */
  readonly vms: VmFacts[] = [];
  /** VMs that run here when all moves have arrived. */
  readonly residents = new Set<Demand>();
  /** With moves counted as arrived. */
  memoryUsedMiB = 0;
  cpuUsedCores: number;
  networkUsedMiBps: number;
  /** Sums of what its VMs are expected to use next (see expectedLoad). */
  expectedCores = 0;
  expectedVariance = 0;
  /** A VM on its way holds memory on both ends: this is what must not exceed the host's memory. */
  memoryHeldMiB = 0;
  /** Moves that leave or arrive, under way or planned. */
  migrations = 0;
  /** Of these, those that were under way before the plan. */
  migrationsUnderWay = 0;
  /** Percent points above (or below) the cluster's average. */
  cpuDeviation = 0;
  memoryDeviation = 0;
  networkDeviation = 0;
  /** Rises whenever a VM comes or goes, so that what was reckoned before can be told from what holds. */
  version = 0;
  /** The pressure (see score.ts) of the host that is up and has least of it. */
  leastPressure = 0;
  readonly disksArriving: DisksArriving;
  readonly percentPerCore: number;
  readonly percentPerMiB: number;
  /** 0 where the network is left out of scores. */
  percentPerMiBps = 0;
  /** Resources that scores are made of: CPU, memory, and the network where every host's link is known. */
  dimensions: 2 | 3 = 2;

  constructor(
    readonly facts: HostFacts,
    /** Place in ClusterState.hosts. */
    readonly index: number,
  ) {
    this.id = facts.id;
    this.name = facts.name;
    this.isUp = facts.status === 'up';
    this.cpuUsedCores = facts.cpuUsedCores;
    this.networkUsedMiBps = facts.networkUsedMiBps;
    this.disksArriving = new DisksArriving(facts.storage);
    this.percentPerCore = 100 / facts.cpuCores;
    this.percentPerMiB = 100 / facts.memoryMiB;
  }

  get networkMiBps(): number | null {
    return this.facts.networkMiBps;
  }

  get cpuPercent(): number {
    return this.cpuUsedCores * this.percentPerCore;
  }

  get memoryPercent(): number {
    return this.memoryUsedMiB * this.percentPerMiB;
  }

  /** Of its link; null: nobody knows how fast that is. */
  get networkPercent(): number | null {
    return this.networkMiBps === null ? null : (100 * this.networkUsedMiBps) / this.networkMiBps;
  }

  /** VMs are on their way here, by this plan or an earlier one. */
  get isArrivedAt(): boolean {
    return [...this.residents].some(({ hostId }) => hostId !== this.id);
  }

  /** VMs here of whose use of the network nothing is known. */
  get unmetered(): number {
    return [...this.residents].filter(({ networkUsedMiBps }) => networkUsedMiBps === null).length;
  }

  /** Adds (or with -1 takes away) what a VM uses once it has arrived. */
  load(vm: Demand, sign: 1 | -1): void {
    this.version++;
    if (sign > 0) this.residents.add(vm);
    else this.residents.delete(vm);
    this.cpuUsedCores += sign * vm.cpuUsedCores;
    this.memoryUsedMiB += sign * vm.memoryMiB;
    this.networkUsedMiBps += sign * networkOf(vm);
    this.cpuDeviation += sign * vm.cpuUsedCores * this.percentPerCore;
    this.memoryDeviation += sign * vm.memoryMiB * this.percentPerMiB;
    this.networkDeviation += sign * networkOf(vm) * this.percentPerMiBps;
    const { mean, variance } = expectedLoad(vm);
    this.expectedCores += sign * mean;
    this.expectedVariance += sign * variance;
  }
}
