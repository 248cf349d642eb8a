/** What the planner is told, and what it answers. */
import type { Architecture, HostDriver, HostStatus, HypervisorName, VmStatus } from '#contracts';

/** Everything about one cluster that a decision may rest on. */
export interface ClusterFacts {
  readonly hosts: readonly HostFacts[];
  /** VMs that have a host; one that is `down` occupies nothing there. */
  readonly vms: readonly VmFacts[];
  readonly inFlight: readonly InFlightMove[];
}

export interface HostFacts {
  readonly id: string;
  readonly name: string;
  readonly status: HostStatus;
  /** Capacity that VMs may use. */
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** Cores in use by all VMs here, smoothed over some heartbeats. */
  readonly cpuUsedCores: number;
  /** Since when CPU use has been above the policy's HighUtilization without a break; null = it is not. */
  readonly overUtilizedSinceMs: number | null;
  /** What VMs can run on here; absent: Drover's own VMM. */
  readonly drivers?: readonly HostDriver[];
}

/** What a VM has to run on; absent: Drover's own VMM. */
export interface DriverNeed {
  readonly hypervisor?: HypervisorName;
  readonly architecture?: Architecture;
  /** Where it runs now, which is what it can go on with elsewhere; absent or null: nowhere, or not known. */
  readonly runsOn?: HostDriver | null;
}

export interface VmFacts extends DriverNeed {
  readonly id: string;
  readonly name: string;
  /** Where it runs; during a migration the source, until the destination owns it. */
  readonly hostId: string;
  readonly status: VmStatus;
  /** Cores in use, smoothed as for the host. */
  readonly cpuUsedCores: number;
  /** Memory promised to the VM; a host's used memory is the sum of these. */
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Until when policies leave it where it is; null = no limit. */
  readonly cooldownUntilMs: number | null;
  /** A sentence saying why it cannot be migrated at all, and what to do about it; null = it can. */
  readonly immovableReason: string | null;
}

/** A migration that is planned, queued or under way. */
export interface InFlightMove {
  readonly vmId: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
}

export interface Limits {
  /** Migrations that a host takes part in at once, counted on both ends. */
  readonly maxMigrationsPerHost: number;
}

export interface Move {
  readonly vmId: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  readonly reason: string;
  /** Points of imbalance that the move takes from its two hosts (see imbalance.ts); 0 for an evacuation. */
  readonly gain: number;
  readonly kind: 'balance' | 'evacuation';
}

export interface Refusal {
  readonly vmId: string;
  /** The destination that was refused; null if the VM as a whole is not moved now. */
  readonly hostId: string | null;
  readonly reason: string;
}

export interface Plan {
  /** 0-100, over the hosts that are up, with moves under way counted as arrived. */
  readonly imbalanceBefore: number;
  readonly imbalanceAfter: number;
  /** All of them may start at once. */
  readonly moves: readonly Move[];
  readonly refusals: readonly Refusal[];
  readonly summary: string;
}

/** A VM that is to be started. */
export interface NewVm extends DriverNeed {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
}

export type Choice =
  | { readonly hostId: string; readonly reason: string }
  | { readonly hostId: null; readonly reason: string; readonly refusals: readonly HostRefusal[] };

export interface HostRefusal {
  readonly hostId: string;
  readonly reason: string;
}

export type Check = { readonly ok: true } | { readonly ok: false; readonly reason: string };
