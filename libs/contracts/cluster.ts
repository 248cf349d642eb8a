import { z } from 'zod';
import { Id, Name, Timestamp } from './common.js';

const percent = z.number().min(0).max(100);

/**
 * Parameters of evenly_distributed, with oVirt's names and defaults where oVirt has them; the last two are Drover's:
 * oVirt only relieves hosts over a limit, Drover also evens out load below it.
 */
export const EvenlyDistributedParameters = z.object({
  /** Percent CPU above which a host is over-utilized. */
  HighUtilization: percent.default(80),
  /** Minutes that a host must be over HighUtilization before it counts as over-utilized. */
  CpuOverCommitDurationMinutes: z.number().min(0).max(60).default(2),
  /** MiB of free memory below which a host is over-utilized. */
  MaxFreeMemoryForOverUtilized: z.int().nonnegative().default(128),
  /** MiB of memory that must stay free on a destination. */
  MinFreeMemoryForUnderUtilized: z.int().nonnegative().default(64),
  /** Imbalance (0-100, spread of load over hosts) below which nothing is moved. */
  ImbalanceThreshold: percent.default(5),
  /** Points of imbalance that a move must take off its two hosts. */
  MinimumGain: percent.default(1),
});
export type EvenlyDistributedParameters = z.infer<typeof EvenlyDistributedParameters>;

/** What decides where a cluster's VMs run. */
export const SchedulingPolicy = z.discriminatedUnion('name', [
  z.object({ name: z.literal('none') }),
  z.object({
    name: z.literal('evenly_distributed'),
    parameters: EvenlyDistributedParameters.prefault({}),
  }),
]);
export type SchedulingPolicy = z.infer<typeof SchedulingPolicy>;

export const ClusterView = z.object({
  id: Id,
  name: Name,
  description: z.string(),
  schedulingPolicy: SchedulingPolicy,
  migrationPolicyId: Id,
  /** Seconds that a VM stays where it is after a migration before a policy may move it again. */
  cooldownSeconds: z.int(),
  /** Migrations that a host takes part in at once, counted on both ends. */
  maxMigrationsPerHost: z.int(),
  createdAt: Timestamp,
});
export type ClusterView = z.infer<typeof ClusterView>;

export const CreateCluster = z.object({
  name: Name,
  description: z.string().max(1000).default(''),
  schedulingPolicy: SchedulingPolicy.prefault({ name: 'none' }),
  migrationPolicyId: Id.optional(),
  cooldownSeconds: z.int().min(0).max(86_400).default(60),
  maxMigrationsPerHost: z.int().min(1).max(16).default(2),
});
export type CreateCluster = z.infer<typeof CreateCluster>;

export const UpdateCluster = z
  .object({
    name: Name,
    description: z.string().max(1000),
    schedulingPolicy: SchedulingPolicy,
    migrationPolicyId: Id,
    cooldownSeconds: z.int().min(0).max(86_400),
    maxMigrationsPerHost: z.int().min(1).max(16),
  })
  .partial()
  .strict();
export type UpdateCluster = z.infer<typeof UpdateCluster>;

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
  createdAt: Timestamp,
});
export type MigrationPolicyView = z.infer<typeof MigrationPolicyView>;

export const CreateMigrationPolicy = z.object({
  name: Name,
  description: z.string().max(1000).default(''),
  downtimeLimitMs: z.int().min(1).max(60_000).default(300),
  bandwidthMiBps: z.number().min(1).max(100_000).nullable().default(null),
  timeoutSeconds: z.int().min(5).max(86_400).default(600),
});
export type CreateMigrationPolicy = z.infer<typeof CreateMigrationPolicy>;

export const UpdateMigrationPolicy = z
  .object({
    name: Name,
    description: z.string().max(1000),
    downtimeLimitMs: z.int().min(1).max(60_000),
    bandwidthMiBps: z.number().min(1).max(100_000).nullable(),
    timeoutSeconds: z.int().min(5).max(86_400),
  })
  .partial()
  .strict();
export type UpdateMigrationPolicy = z.infer<typeof UpdateMigrationPolicy>;
