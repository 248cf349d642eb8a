import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';
import { MigrationEncryption } from './cluster.js';
import { Convergence, MigrationDecision } from './convergence.js';

export const MigrationStatus = z.enum([
  'planned',
  'queued',
  'preparing',
  'precopy',
  'switchover',
  'postcopy',
  'postcopy_paused',
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
  /** Pages that were not sent, because the destination had them from an earlier stay of the VM; of 4 KiB. */
  savedPages: z.int().optional(),
  /** Pages that were sent as deltas, bytes of these, and pages that the cache did not have; null: without XBZRLE. */
  xbzrle: z.object({ pages: z.int(), bytes: z.int(), misses: z.int() }).nullable().optional(),
  /** Pages that were sent compressed, and their bytes then; null: without compression. */
  compression: z.object({ pages: z.int(), bytes: z.int() }).nullable().optional(),
  /** Of transferredBytes, those that went on connections for pages alone. */
  multifdBytes: z.int().optional(),
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

/** A line of the log of one of those who took part; `at` is null where whoever wrote it does not say when. */
export const MigrationLogLine = z.object({
  at: Timestamp.nullable(),
  side: z.enum(['controller', 'source', 'destination']),
  from: z.enum(['controller', 'agent', 'vmm']),
  level: z.string().max(20),
  message: z.string().max(4000),
});
export type MigrationLogLine = z.infer<typeof MigrationLogLine>;
export const MigrationLogView = z.object({ lines: z.array(MigrationLogLine) });
export type MigrationLogView = z.infer<typeof MigrationLogView>;

/** Who carried it out. VMMs of Drover's own are of the version of their agent. */
export const MigrationVersions = z.object({
  controller: z.string(),
  sourceAgent: z.string().nullable(),
  destinationAgent: z.string().nullable(),
});
export type MigrationVersions = z.infer<typeof MigrationVersions>;

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
  /** What may be done if it does not converge, as its policy said when it began. */
  convergence: Convergence,
  encryption: MigrationEncryption.default('auto'),
  tunnelled: z.boolean().default(false),
  /** What was done, with the figures of each time. */
  decisions: z.array(MigrationDecision),
  versions: MigrationVersions.nullable(),
  timeline: z.array(z.object({ at: Timestamp, status: MigrationStatus, message: z.string() })),
});
export type MigrationDetail = z.infer<typeof MigrationDetail>;

/** One of a VM's moves, over all hosts that it has ever been on. */
export const MigrationHop = MigrationView.extend({
  means: z.array(MigrationDecision.pick({ means: true, value: true, by: true, at: true, failure: true })),
  versions: MigrationVersions.nullable(),
});
export type MigrationHop = z.infer<typeof MigrationHop>;

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
