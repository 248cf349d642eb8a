import { z } from 'zod';
import { Id, Name, Timestamp } from './common.js';
import { Convergence, DEFAULT_CONVERGENCE } from './convergence.js';
import { FencingPolicy } from './fencing.js';
import { PlanMode } from './plan.js';
import { PolicySchedule } from './schedule.js';
import { SchedulingPolicy } from './scheduling.js';

const CheckpointLimitMiB = z.int().min(0).max(1_048_576);
export const DEFAULT_CHECKPOINT_LIMIT_MIB = 4096;

export const ClusterView = z.object({
  id: Id,
  name: Name,
  description: z.string(),
  /** Holds while no window of the schedule is open. */
  schedulingPolicy: SchedulingPolicy,
  /** Policies by time of day; null: none. */
  policySchedule: PolicySchedule.nullable().default(null),
  /** Position of the schedule's window that is open; null: none is. */
  openWindow: z.int().nullable().default(null),
  /** What becomes of the policy's plans. Hosts that people empty are emptied in any mode. */
  planMode: PlanMode.default('automatic'),
  migrationPolicyId: Id,
  /** Seconds that a VM stays where it is after a migration before a policy may move it again. */
  cooldownSeconds: z.int(),
  /** Migrations that a host takes part in at once, counted on both ends. */
  maxMigrationsPerHost: z.int(),
  /** So many hosts may fail at once, and their VMs still find memory on the others; 0 = none is reserved. */
  haReservation: z.int().default(0),
  /** What each host may take to keep the memory of VMs that left, for their return; 0 = nothing is kept. */
  checkpointLimitMiB: z.int().default(0),
  /** What becomes of its hosts that are lost. */
  fencing: FencingPolicy.prefault({}),
  createdAt: Timestamp,
});
export type ClusterView = z.infer<typeof ClusterView>;

export const CreateCluster = z.object({
  name: Name,
  description: z.string().max(1000).default(''),
  schedulingPolicy: SchedulingPolicy.prefault({ name: 'none' }),
  policySchedule: PolicySchedule.nullable().default(null),
  planMode: PlanMode.default('automatic'),
  migrationPolicyId: Id.optional(),
  cooldownSeconds: z.int().min(0).max(86_400).default(60),
  maxMigrationsPerHost: z.int().min(1).max(16).default(2),
  haReservation: z.int().min(0).max(8).default(0),
  checkpointLimitMiB: CheckpointLimitMiB.default(DEFAULT_CHECKPOINT_LIMIT_MIB),
  fencing: FencingPolicy.prefault({}),
});
export type CreateCluster = z.infer<typeof CreateCluster>;

export const UpdateCluster = z
  .object({
    name: Name,
    description: z.string().max(1000),
    schedulingPolicy: SchedulingPolicy,
    policySchedule: PolicySchedule.nullable(),
    planMode: PlanMode,
    migrationPolicyId: Id,
    cooldownSeconds: z.int().min(0).max(86_400),
    maxMigrationsPerHost: z.int().min(1).max(16),
    haReservation: z.int().min(0).max(8),
    checkpointLimitMiB: CheckpointLimitMiB,
    fencing: FencingPolicy,
  })
  .partial()
  .strict();
export type UpdateCluster = z.infer<typeof UpdateCluster>;

/** auto: between machines; what stays on one machine nobody hears who could not read it as well. */
export const MigrationEncryption = z.enum(['auto', 'always', 'never']);
export type MigrationEncryption = z.infer<typeof MigrationEncryption>;

const sharePercent = z.int().min(1).max(100).nullable();

/** How a migration is carried out. */
export const MigrationPolicyView = z.object({
  id: Id,
  name: Name,
  description: z.string(),
  /** Longest pause of the guest at the switchover. */
  downtimeLimitMs: z.int(),
  /** Bandwidth limit of one migration; null = no limit. */
  bandwidthMiBps: z.number().nullable(),
  /** A migration that takes longer is cancelled; the VM runs on at the source. */
  timeoutSeconds: z.int(),
  /** What may be done about guests that write faster than they are sent. */
  convergence: Convergence,
  /** Hosts that a VM leaves may keep its memory for its return. Off: what a guest knows is on no disk of a host. */
  keepCheckpoints: z.boolean().default(true),
  /** Whether memory and disks travel in TLS. */
  encryption: MigrationEncryption.default('auto'),
  /** All of it goes through the hosts' agents, to one port of the destination's host, and always in TLS. */
  tunnelled: z.boolean().default(false),
  /** Percent of a host's link that its migrations may take together; each gets as much of it as the others. Null: all. */
  bandwidthSharePercent: z.int().nullable().default(null),
  createdAt: Timestamp,
});
export type MigrationPolicyView = z.infer<typeof MigrationPolicyView>;

export const CreateMigrationPolicy = z.object({
  name: Name,
  description: z.string().max(1000).default(''),
  downtimeLimitMs: z.int().min(1).max(60_000).default(300),
  bandwidthMiBps: z.number().min(1).max(100_000).nullable().default(null),
  timeoutSeconds: z.int().min(5).max(86_400).default(600),
  convergence: Convergence.prefault(DEFAULT_CONVERGENCE),
  keepCheckpoints: z.boolean().default(true),
  encryption: MigrationEncryption.default('auto'),
  tunnelled: z.boolean().default(false),
  bandwidthSharePercent: sharePercent.default(null),
});
export type CreateMigrationPolicy = z.infer<typeof CreateMigrationPolicy>;

export const UpdateMigrationPolicy = z
  .object({
    name: Name,
    description: z.string().max(1000),
    downtimeLimitMs: z.int().min(1).max(60_000),
    bandwidthMiBps: z.number().min(1).max(100_000).nullable(),
    timeoutSeconds: z.int().min(5).max(86_400),
    convergence: Convergence,
    keepCheckpoints: z.boolean(),
    encryption: MigrationEncryption,
    tunnelled: z.boolean(),
    bandwidthSharePercent: sharePercent,
  })
  .partial()
  .strict();
export type UpdateMigrationPolicy = z.infer<typeof UpdateMigrationPolicy>;
