import { z } from 'zod';
import { Id, Name, Timestamp } from './common.js';
import { Convergence, DEFAULT_CONVERGENCE } from './convergence.js';
import { SchedulingPolicy } from './scheduling.js';

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
  /** So many hosts may fail at once, and their VMs still find memory on the others; 0 = none is reserved. */
  haReservation: z.int().default(0),
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
  haReservation: z.int().min(0).max(8).default(0),
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
    haReservation: z.int().min(0).max(8),
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
  /** What may be done about guests that write faster than they are sent. */
  convergence: Convergence,
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
  })
  .partial()
  .strict();
export type UpdateMigrationPolicy = z.infer<typeof UpdateMigrationPolicy>;
