import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';

export const MigrationStatus = z.enum([
  'planned',
  'queued',
  'preparing',
  'precopy',
  'switchover',
  'completed',
  'failed',
  'cancelled',
]);
export type MigrationStatus = z.infer<typeof MigrationStatus>;

/** One pass over the dirty log. */
export const Iteration = z.object({
  iteration: z.int(),
  pages: z.int(),
  zeroPages: z.int(),
  bytes: z.int(),
  durationMs: z.number(),
  bandwidthMiBps: z.number(),
  dirtyRateMiBps: z.number(),
  remainingBytes: z.int(),
  expectedDowntimeMs: z.number().nullable(),
});
export type Iteration = z.infer<typeof Iteration>;

export const MigrationProgress = z.object({
  totalBytes: z.int(),
  transferredBytes: z.int(),
  remainingBytes: z.int(),
  bandwidthMiBps: z.number(),
  dirtyRateMiBps: z.number(),
  iteration: z.int(),
  expectedDowntimeMs: z.number().nullable(),
  /** Disks that are copied; null if there are none. */
  disks: z.object({ transferredBytes: z.int(), remainingBytes: z.int() }).nullable().optional(),
});
export type MigrationProgress = z.infer<typeof MigrationProgress>;

/** Parts of the guest's pause, in the order in which they happen; the sum is the downtime. */
export const DowntimeBreakdown = z.object({
  stopMs: z.number(),
  finalSyncMs: z.number(),
  finalPagesMs: z.number(),
  deviceStateMs: z.number(),
  loadMs: z.number(),
  resumeMs: z.number(),
});
export type DowntimeBreakdown = z.infer<typeof DowntimeBreakdown>;

/** What went wrong, where and when: enough to act on without reading logs. */
export const MigrationError = z.object({
  code: z.string(),
  phase: z.enum(['begin', 'prepare', 'perform', 'finish', 'confirm']),
  side: z.enum(['source', 'destination', 'controller']),
  message: z.string(),
});
export type MigrationError = z.infer<typeof MigrationError>;

export const MigrationTrigger = z.enum(['policy', 'maintenance', 'manual']);
export type MigrationTrigger = z.infer<typeof MigrationTrigger>;

export const MigrationView = z.object({
  id: Id,
  vmId: Id,
  vmName: z.string(),
  /** This is the n-th migration of the VM, counted over every host it has ever been on. */
  ordinal: z.int(),
  sourceHostId: Id,
  sourceHostName: z.string(),
  destinationHostId: Id,
  destinationHostName: z.string(),
  status: MigrationStatus,
  trigger: MigrationTrigger,
  reason: z.string(),
  planId: Id.nullable(),
  /** Epoch of the copy at the destination. */
  epoch: z.int(),
  progress: MigrationProgress.nullable(),
  downtimeMs: z.number().nullable(),
  totalMs: z.number().nullable(),
  error: MigrationError.nullable(),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
  endedAt: Timestamp.nullable(),
});
export type MigrationView = z.infer<typeof MigrationView>;

export const MigrationDetail = MigrationView.extend({
  iterations: z.array(Iteration),
  downtimeBreakdown: DowntimeBreakdown.nullable(),
  timeline: z.array(z.object({ at: Timestamp, status: MigrationStatus, message: z.string() })),
});
export type MigrationDetail = z.infer<typeof MigrationDetail>;

export const MigrationQuery = PageQuery.extend({
  vmId: Id.optional(),
  hostId: Id.optional(),
  status: MigrationStatus.optional(),
  /** true: only those that have not ended. */
  active: z.stringbool().optional(),
});
export type MigrationQuery = z.infer<typeof MigrationQuery>;

/** What an administrator may change while a migration runs. */
export const MigrationParameters = z
  .object({ downtimeLimitMs: z.int().min(1).max(60_000), bandwidthMiBps: z.number().min(1).max(100_000).nullable() })
  .partial()
  .strict();
export type MigrationParameters = z.infer<typeof MigrationParameters>;
