import { z } from 'zod';
import { Labels } from './affinity.js';
import { HostHealth } from './health.js';
import { Id, Name, PageQuery, Timestamp } from './common.js';
import { Architecture, HostDeviceName, HypervisorName } from './vm.js';

export const HostStatus = z.enum([
  'installing', // known, its agent has not enrolled yet
  'up',
  'preparing_for_maintenance',
  'maintenance',
  'powering_off',
  'powered_off',
  'powering_on', // until its agent answers
  'non_responsive',
]);
export type HostStatus = z.infer<typeof HostStatus>;

/**
 * Linux pressure stall information: percent of the last 10 s in which some task waited; and what a hypervisor below the
 * host took of its CPU time.
 */
export const Pressure = z.object({
  cpuSomePercent: z.number(),
  memorySomePercent: z.number(),
  ioSomePercent: z.number(),
  stealPercent: z.number().default(0),
});
export type Pressure = z.infer<typeof Pressure>;

/**
 * One way in which a host keeps its VMs' processes apart from itself and from each other. own_user: each runs as a user
 * of its own; own_files: it sees its own files alone; no_new_privileges, system_calls (seccomp): it can gain no rights;
 * limits: of memory, CPU and threads.
 */
export const IsolationMeasure = z.object({
  measure: z.enum(['own_user', 'own_files', 'no_new_privileges', 'system_calls', 'limits']),
  inForce: z.boolean(),
  /** Why it is not in force; empty if it is. */
  reason: z.string().max(500),
});
export type IsolationMeasure = z.infer<typeof IsolationMeasure>;

/** A program that runs VMs on a host. */
export const HostDriver = z.object({
  hypervisor: HypervisorName,
  architecture: Architecture,
  /** How guest code is executed: by the host's processor, by QEMU's translator, or by Drover's own harts. */
  accelerator: z.enum(['kvm', 'tcg', 'drover']),
  version: z.string().max(100),
  /** The most memory that it gives a guest here; QEMU tells none. */
  maxMemoryMiB: z.int().positive().optional(),
});
export type HostDriver = z.infer<typeof HostDriver>;

/** What Drover's VMM gives a guest on any host, whatever its Node.js. */
export const LEAST_MAX_MEMORY_MIB = 3584;

/** The most memory that a guest may have on a driver. Older agents tell of none. */
export const maxMemoryMiBOf = ({ hypervisor, maxMemoryMiB }: HostDriver): number =>
  maxMemoryMiB ?? (hypervisor === 'drover' ? LEAST_MAX_MEMORY_MIB : Infinity);

/** What is free in a host's folder of a local storage domain. `fileSystem`: equal for folders that share their room. */
export const StorageRoom = z.object({
  path: z.string().max(1000),
  fileSystem: z.string().max(100),
  freeMiB: z.int().nonnegative(),
});
export type StorageRoom = z.infer<typeof StorageRoom>;

/** Memory of a VM that has left a host, which is kept there for its return. */
export const CheckpointReport = z.object({ vmId: Id, sizeMiB: z.int(), writtenAt: Timestamp });
export type CheckpointReport = z.infer<typeof CheckpointReport>;

export const HostView = z.object({
  id: Id,
  clusterId: Id,
  name: Name,
  labels: Labels.default([]),
  status: HostStatus,
  /** Why the host is in the status it is in; empty if that is obvious. */
  statusReason: z.string(),
  /** What may be used, declared by the agent or measured; null before enrolment. */
  cpuCores: z.number().nullable(),
  memoryMiB: z.int().nullable(),
  /** Cores in use by VMs, smoothed by nobody: as in the last heartbeat. */
  cpuUsedCores: z.number().nullable(),
  /** Memory promised to VMs that run here or are on their way here. */
  memoryUsedMiB: z.int().nullable(),
  /** What its link carries, one direction; null: not known. */
  linkMiBps: z.number().nullable().default(null),
  /** What the network cards of its VMs send or receive; null: not known of all of them. */
  networkUsedMiBps: z.number().nullable().default(null),
  pressure: Pressure.nullable(),
  /** What its agent has found to work there; null before the first heartbeat. */
  isolation: z.array(IsolationMeasure).nullable(),
  /** What was found out about its health last; null until its agent has told. */
  health: HostHealth.nullable().default(null),
  /** What its VMs may run on; empty until its agent has told. */
  drivers: z.array(HostDriver),
  /** Names of its devices that guests may have. */
  hostDevices: z.array(HostDeviceName).default([]),
  /** Of local storage domains; empty until its agent has told. */
  storage: z.array(StorageRoom).default([]),
  /** Memory of VMs that have left it. */
  checkpoints: z.array(CheckpointReport).default([]),
  vmCount: z.int(),
  /** Migrations that leave or arrive now. */
  migrationCount: z.int(),
  agentUrl: z.string().nullable(),
  agentVersion: z.string().nullable(),
  lastHeartbeatAt: Timestamp.nullable(),
  createdAt: Timestamp,
});
export type HostView = z.infer<typeof HostView>;

export const CreateHost = z.object({ name: Name, clusterId: Id });

export const UpdateHost = z.object({ labels: Labels }).partial().strict();
export type UpdateHost = z.infer<typeof UpdateHost>;

export type CreateHost = z.infer<typeof CreateHost>;

/** The answer to creating a host: the token is shown once; the host's agent enrols with it. */
export const CreatedHost = HostView.extend({ enrolmentToken: z.string() });
export type CreatedHost = z.infer<typeof CreatedHost>;

export const DeactivateHost = z.object({
  reason: z.string().trim().min(1, 'say why, for those who find the host empty').max(500),
});
export type DeactivateHost = z.infer<typeof DeactivateHost>;

export const HostQuery = PageQuery.extend({
  clusterId: Id.optional(),
  status: HostStatus.optional(),
  name: Name.optional(),
});
export type HostQuery = z.infer<typeof HostQuery>;
