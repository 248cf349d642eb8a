import { z } from 'zod';

const percent = z.number().min(0).max(100);

/** When a host is over-utilized; oVirt's names and defaults. */
const overUtilized = {
  /** Percent CPU above which a host is over-utilized, and up to which policies fill one. */
  HighUtilization: percent.default(80),
  /** Minutes that a host must be over HighUtilization before it counts as over-utilized. */
  CpuOverCommitDurationMinutes: z.number().min(0).max(60).default(2),
  /** MiB of free memory below which a host is over-utilized. */
  MaxFreeMemoryForOverUtilized: z.int().nonnegative().default(128),
  /** MiB of memory that must stay free on a destination. */
  MinFreeMemoryForUnderUtilized: z.int().nonnegative().default(64),
};

/** Drover's own, for policies that weigh what a move brings against what it costs. */
const weighed = {
  /** Percent of time that something waited for a host's CPU, memory or disks, above which it is relieved first. */
  HighPressure: percent.default(40),
  /** Minutes for which load is taken to stay as it is: so long must a move pay for itself. */
  HorizonMinutes: z.number().min(1).max(10_080).default(30),
};

/**
 * Parameters of evenly_distributed, with oVirt's names and defaults where oVirt has them; the others are Drover's:
 * oVirt only relieves hosts over a limit, Drover also evens out load below it.
 */
export const EvenlyDistributedParameters = z.object({
  ...overUtilized,
  /** Imbalance (0-100, spread of load over hosts) below which nothing is moved. */
  ImbalanceThreshold: percent.default(5),
  /** Points of imbalance that a move must take off its two hosts. */
  MinimumGain: percent.default(1),
  ...weighed,
});
export type EvenlyDistributedParameters = z.infer<typeof EvenlyDistributedParameters>;

/** Parameters of vm_evenly_distributed: oVirt's. */
export const VmEvenlyDistributedParameters = z.object({
  /** VMs on a host from which on the cluster is balanced at all. */
  HighVmCount: z.int().min(1).max(10_000).default(10),
  /** Difference in VMs between the fullest and the emptiest host from which on VMs are moved. */
  MigrationThreshold: z.int().min(2).max(10_000).default(5),
  /** So many VMs fewer the host that manages the storage (SPM) should run; Drover has none yet. */
  SpmVmGrace: z.int().min(0).max(10_000).default(5),
});
export type VmEvenlyDistributedParameters = z.infer<typeof VmEvenlyDistributedParameters>;

/** Parameters of power_saving: oVirt's, and Drover's for what a host must be able to take later. */
export const PowerSavingParameters = z.object({
  ...overUtilized,
  /** Percent CPU below which a host is emptied if its VMs fit elsewhere. */
  LowUtilization: percent.default(20),
  /** Empty hosts that stay on. */
  HostsInReserve: z.int().min(0).max(1000).default(0),
  /** Whether empty hosts are put into maintenance and switched off, and woken when they are needed. */
  EnableAutomaticHostPowerManagement: z.boolean().default(false),
  /** A VM is given its mean load and so many standard deviations of it, when hosts are filled. */
  PeakDeviations: z.number().min(0).max(10).default(2),
  /** Minutes that a host stays on (and off) at least. */
  MinimumOnMinutes: z.number().min(0).max(10_080).default(30),
  MinimumOffMinutes: z.number().min(0).max(10_080).default(10),
  ...weighed,
});
export type PowerSavingParameters = z.infer<typeof PowerSavingParameters>;

/** What decides where a cluster's VMs run. */
export const SchedulingPolicy = z.discriminatedUnion('name', [
  z.object({ name: z.literal('none') }),
  z.object({ name: z.literal('evenly_distributed'), parameters: EvenlyDistributedParameters.prefault({}) }),
  z.object({ name: z.literal('vm_evenly_distributed'), parameters: VmEvenlyDistributedParameters.prefault({}) }),
  z.object({ name: z.literal('power_saving'), parameters: PowerSavingParameters.prefault({}) }),
  /** Nothing is moved for load, and no VM is started: work on the cluster is under way. */
  z.object({ name: z.literal('cluster_maintenance') }),
]);
export type SchedulingPolicy = z.infer<typeof SchedulingPolicy>;

/** The schema of each policy's parameters; those that have none are not among them. */
export const SCHEDULING_PARAMETERS = {
  evenly_distributed: EvenlyDistributedParameters,
  vm_evenly_distributed: VmEvenlyDistributedParameters,
  power_saving: PowerSavingParameters,
} as const;
