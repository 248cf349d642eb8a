/** What the planner is told. */
import type { AffinityGroup, Architecture, HostDriver, HostStatus, HypervisorName, VmStatus } from '#contracts';
import type { LoadHistory } from './history.js';

/** Everything about one cluster that a decision may rest on. */
export interface ClusterFacts {
  readonly hosts: readonly HostFacts[];
  /** VMs that have a host; one that is `down` occupies nothing there. */
  readonly vms: readonly VmFacts[];
  readonly inFlight: readonly InFlightMove[];
  readonly affinityGroups: readonly AffinityGroup[];
  /** Cores that all VMs together are expected to use within the time that a host needs to wake up; null = not known. */
  readonly forecastCores: number | null;
  /** The same within the time for which a host stays off at least, and needs to wake up then; absent: not known. */
  readonly forecastOffCores?: number | null;
}

export interface HostFacts {
  readonly id: string;
  readonly name: string;
  readonly status: HostStatus;
  readonly labels: readonly string[];
  /** Capacity that VMs may use. Where cores differ in speed, in cores of one speed: 2 x 2,660 MIPS are 5.32 of 1,000. */
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** Link that VMs and migrations share, one direction; null = not known, and the network is left out of scores. */
  readonly networkMiBps: number | null;
  /** Cores in use by all VMs here, smoothed over some heartbeats. */
  readonly cpuUsedCores: number;
  /** The same of the network: what is known of. */
  readonly networkUsedMiBps: number;
  /** How much of the last seconds somebody waited; null = not known. */
  readonly pressure: HostPressure | null;
  /** Since when CPU use has been above the policy's HighUtilization without a break; null = it is not. */
  readonly overUtilizedSinceMs: number | null;
  /** Null: nothing is known of its power; no policy switches it off. */
  readonly power: HostPower | null;
  /** It is to be emptied, but nothing leaves it for now; absent: it goes on. */
  readonly isEvacuationPaused?: boolean;
  /** What VMs can run on here; absent: Drover's own VMM. */
  readonly drivers?: readonly HostDriver[];
  /** Names of its devices that guests may have; absent: none. */
  readonly hostDevices?: readonly string[];
  /** What is free in its folders of local storage domains; those that are absent: nobody knows. */
  readonly storage?: readonly StorageRoom[];
}

/** `fileSystem`: equal for folders that share their room. */
export interface StorageRoom {
  readonly path: string;
  readonly fileSystem: string;
  readonly freeMiB: number;
}

/** `path`: the folder of its storage domain. `sizeMiB`: what it may grow to. */
export interface LocalDisk {
  readonly storageDomain: string;
  readonly path: string;
  readonly sizeMiB: number;
}

/** Percent of time: Linux pressure stall information ("some", 10 s average), and what a hypervisor below has taken. */
export interface HostPressure {
  readonly cpuSomePercent: number;
  readonly memorySomePercent: number;
  readonly ioSomePercent: number;
  readonly stealPercent: number;
}

export interface HostPower {
  /** Watts drawn at CPU utilisation 0 % ... 100 %, at even distances (SPECpower has eleven), at least two; null = not known. */
  readonly wattsAt: readonly number[] | null;
  /** Whether it has been seen to come back; only a host whose wake-up is proven is switched off. */
  readonly wakeUp: 'none' | 'unproven' | 'proven';
  /** From the order to the first heartbeat, as measured last. */
  readonly bootSeconds: number | null;
  /** In maintenance or off because power_saving wanted it so: only such a host is woken by a policy. */
  readonly isParked: boolean;
  /** Since when it has been on, or off. */
  readonly sinceMs: number;
  /** Age of the hardware; null = not known. Of two equal hosts the older is emptied. */
  readonly ageYears: number | null;
}

/** What a VM has to run on; absent: Drover's own VMM. */
export interface DriverNeed {
  readonly hypervisor?: HypervisorName;
  readonly architecture?: Architecture;
  /** Where it runs now, which is what it can go on with elsewhere; absent or null: nowhere, or not known. */
  readonly runsOn?: HostDriver | null;
  /** Absent: not more than any host can give. */
  readonly memoryMiB?: number;
  /** Its cards, some of which need a device of the host of that name. */
  readonly nics?: readonly { readonly hostDevice?: string | undefined }[];
}

export interface VmFacts extends DriverNeed {
  readonly id: string;
  readonly name: string;
  /** Where it runs; during a migration the source, until the destination owns it. */
  readonly hostId: string;
  readonly status: VmStatus;
  readonly labels: readonly string[];
  /** Cores in use, smoothed as for the host. */
  readonly cpuUsedCores: number;
  /** Memory promised to the VM; a host's used memory is the sum of these. */
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Smoothed as for the host; null = not known: it counts as nothing, and explanations say so. */
  readonly networkUsedMiBps: number | null;
  /** What its CPU use has been like; null = too new to say, and its vCPUs are reckoned with. */
  readonly history: LoadHistory | null;
  /** What a move would take, but for its disks; null: reckoned from memory and dirty rate (see cost.ts). */
  readonly prediction: MigrationPrediction | null;
  /** Why a move would not end with all that its migration policy allows; absent: it would, or nobody knows. */
  readonly whyEndless?: string;
  /** Disks that only its host has, which go with it; absent: none. */
  readonly localDisks?: readonly LocalDisk[];
  /** Memory that would have to be copied, and how fast the guest writes it; null = all of its memory, and not at all. */
  readonly memoryUsedMiB: number | null;
  readonly dirtyRateMiBps: number | null;
  /** Until when policies leave it where it is; null = no limit. */
  readonly cooldownUntilMs: number | null;
  /** Moves by policies that are still remembered, oldest first (see cooldown.ts). */
  readonly recentMoves: readonly PastMove[];
  /** A sentence saying why it cannot be migrated at all, and what to do about it; null = it can. */
  readonly immovableReason: string | null;
  /** Of two VMs on a host that is emptied the one with the higher priority leaves first; absent: 1. */
  readonly priority?: number;
  /** Only people and maintenance move it, policies do not (oVirt's user_migratable). */
  readonly isLeftToPeople: boolean;
}

export interface PastMove {
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  readonly atMs: number;
}

export interface MigrationPrediction {
  readonly bytes: number;
  readonly durationMs: number;
  readonly pauseMs: number;
  /** By how much the guest runs slower until the move ends, 0-1. */
  readonly slowdown: number;
}

/** A migration that is planned, queued or under way. */
export interface InFlightMove {
  readonly vmId: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  /** Its place is kept for it, but it has not begun: it is none of its hosts' migrations. Absent: it counts as one. */
  readonly isPromised?: boolean;
}

/** What binds every plan of a cluster, whatever its policy. */
export interface Limits {
  /** Migrations that a host takes part in at once, counted on both ends. */
  readonly maxMigrationsPerHost: number;
  /** So many hosts may fail at once after every step, and all VMs still have memory somewhere; 0 = none is reserved. */
  readonly haReservation: number;
}

/** A VM that is to be started. */
export interface NewVm extends DriverNeed {
  /** Disks that are made on its host; absent: none. */
  readonly localDisks?: readonly LocalDisk[];
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly vcpus: number;
  readonly memoryMiB: number;
}
