/** What may be done about a guest that writes faster than its memory can be sent, and what was decided about one. */
import { z } from 'zod';
import { Id, Timestamp } from './common.js';

/** The mildest for the guest first; names are QEMU's where QEMU has the means. */
export const Means = z.enum([
  'multifd', // several connections
  'compression', // pages are compressed by a pool of threads
  'xbzrle', // of pages that were sent before, only what changed
  'downtime_limit', // a longer pause at the switchover
  'throttle', // auto-converge: vCPUs sleep part of the time
  'cpu_limit', // the VM's process gets less CPU from its host (cgroup)
  'offline_vcpus', // the guest goes on with fewer vCPUs
  'post_copy', // the guest runs at the destination, its pages follow
  'suspend', // the guest stands still while the rest is sent
]);
export type Means = z.infer<typeof Means>;

const percent = z.int().min(1).max(99);
const isAscending = (values: readonly number[]) =>
  values.every((value, index) => index === 0 || value > values[index - 1]!);

const Slowed = {
  initialPercent: percent.default(20),
  incrementPercent: percent.default(10),
  maximumPercent: percent.default(99),
};

/** One means that a policy allows, with its limits. Percentages are of CPU time that is taken away. */
export const AllowedMeans = z.discriminatedUnion('means', [
  z.strictObject({ means: z.literal('multifd'), channels: z.int().min(2).max(16).default(4) }),
  z.strictObject({
    means: z.literal('compression'),
    method: z.enum(['zstd', 'lz4']).default('zstd'),
    threads: z.int().min(1).max(64).default(2),
  }),
  /** `cacheMiB`: at most; it is as large as what is rewritten. */
  z.strictObject({ means: z.literal('xbzrle'), cacheMiB: z.int().min(1).max(65_536).default(64) }),
  z.strictObject({
    means: z.literal('downtime_limit'),
    stepsMs: z
      .array(z.int().min(1).max(60_000))
      .min(1)
      .max(20)
      .refine(isAscending, 'give each step once, the shortest first')
      .default([500, 1000, 2000]),
  }),
  z.strictObject({ means: z.literal('throttle'), ...Slowed }),
  z.strictObject({ means: z.literal('cpu_limit'), ...Slowed }),
  z.strictObject({ means: z.literal('offline_vcpus'), minimumOnline: z.int().min(1).max(16).default(1) }),
  z.strictObject({ means: z.literal('post_copy') }),
  /** null: however long it takes. */
  z.strictObject({ means: z.literal('suspend'), maximumMs: z.int().min(1).max(3_600_000).nullable().default(null) }),
]);
export type AllowedMeans = z.infer<typeof AllowedMeans>;

/**
 * How a migration is brought to its end. `ordered`: one means after the other, as listed. `predictive`: whichever costs the
 * guest least of those that will end it before the deadline, whatever the order.
 */
export const Convergence = z.strictObject({
  mode: z.enum(['ordered', 'predictive']).default('predictive'),
  means: z
    .array(AllowedMeans)
    .max(Means.options.length)
    .refine((all) => new Set(all.map(({ means }) => means)).size === all.length, 'name each means once')
    .default([]),
  /** Seconds from the order to the end of the migration that it should take at most. */
  deadlineSeconds: z.int().min(1).max(86_400).default(120),
});
export type Convergence = z.infer<typeof Convergence>;

/** Of policies that say nothing else: what costs the guest little, and nothing that could lose it. */
export const DEFAULT_CONVERGENCE: z.input<typeof Convergence> = {
  mode: 'predictive',
  means: [
    { means: 'compression' },
    { means: 'xbzrle' },
    { means: 'downtime_limit', stepsMs: [500, 1000] },
    { means: 'throttle', maximumPercent: 80 },
  ],
};

/** What was measured when a decision was made, and what the means at hand would have led to. */
export const DecisionFigures = z.object({
  elapsedMs: z.number(),
  /** Until the deadline; negative past it. */
  leftMs: z.number(),
  remainingBytes: z.number(),
  /** Content of pages that reaches the destination, and that the guest writes. */
  bandwidthMiBps: z.number().nullable(),
  dirtyRateMiBps: z.number().nullable(),
  /** As it goes now; null if it does not end. */
  expectedTotalMs: z.number().nullable(),
  expectedDowntimeMs: z.number().nullable(),
  candidates: z.array(
    z.object({
      means: Means,
      value: z.number().nullable(),
      /** From now to the end; null if it does not end. */
      totalMs: z.number().nullable(),
      downtimeMs: z.number().nullable(),
      /** Of totalMs, what the guest would not work in: slowed down, waiting for pages or standing still. */
      lostMs: z.number().nullable().default(null),
      /** Why it was not chosen; empty for the one that was. */
      verdict: z.string(),
    }),
  ),
});
export type DecisionFigures = z.infer<typeof DecisionFigures>;

/** A means that was applied to a migration. */
export const MigrationDecision = z.object({
  /** From 1. */
  number: z.int().min(1),
  at: Timestamp,
  by: z.enum(['controller', 'agent']),
  means: Means,
  /** How much of it: ms of downtime, percent of CPU taken, vCPUs offline, threads, connections, MiB of cache. */
  value: z.number().nullable(),
  /** The migration was cancelled and begun again for it, because its process cannot change it in flight. */
  restarted: z.boolean().default(false),
  reason: z.string().max(2000),
  figures: DecisionFigures,
  /** Passes that had ended. */
  pass: z.int(),
  /** Why it could not be applied. */
  failure: z.string().max(1000).nullable().default(null),
});
export type MigrationDecision = z.infer<typeof MigrationDecision>;

/** A decision for a migration's source to carry out; `number`: how many it must know of, and one. */
export const MigrationStep = MigrationDecision.pick({
  number: true,
  means: true,
  value: true,
  reason: true,
  figures: true,
}).extend({
  migrationId: Id,
  restart: z.boolean(),
});
export type MigrationStep = z.infer<typeof MigrationStep>;

/** A means that a VM's process has; `inFlight`: also for a migration that runs already. */
export const MeansAtHand = z.object({ means: Means, inFlight: z.boolean() });
export type MeansAtHand = z.infer<typeof MeansAtHand>;

/** What both ends of a migration have to be ready for: means that may be applied, and those that it begins with. */
export const MeansWanted = z.object({
  allowed: z.array(Means).default([]),
  begunWith: z.array(z.object({ means: Means, value: z.number().nullable() })).default([]),
});
export type MeansWanted = z.infer<typeof MeansWanted>;

/** What a migration's source knows of it: all that a decision rests on. Times in ms of the source's clock. */
export const ConvergenceFacts = z.object({
  startedAtMs: z.number(),
  /** Only `precopy` leaves something to decide. */
  phase: z.enum(['setup', 'precopy', 'postcopy', 'ending']),
  totalBytes: z.number(),
  /** Memory that the VM's process has: all else is zero, and sent in no time. Absent: not known. */
  usedBytes: z.number().optional(),
  /** Of the present pass. */
  remainingBytes: z.number(),
  downtimeLimitMs: z.number(),
  bandwidthMiBps: z.number().nullable(),
  vcpus: z.int(),
  /** Finished passes, the latest ones: `contentBytes` of pages that were not zero, `bytes` on the connection. */
  passes: z.array(
    z.object({
      number: z.int(),
      contentBytes: z.number(),
      bytes: z.number(),
      durationMs: z.number(),
      /** Dirty after it. */
      dirtyBytes: z.number(),
    }),
  ),
  passStartedAtMs: z.number(),
  /** Bytes on the connection so far, as read now and then, the latest last. */
  samples: z.array(z.object({ atMs: z.number(), bytes: z.number() })),
  /**
   * Distinct pages that the guest writes in each short while (a second or less), on average over the last seconds but
   * not before the last decision: over a whole pass it may write the same ones again. Null: not measured.
   */
  dirtyBytesPerMs: z.number().nullable(),
  /** Sizes of a sampled page when compressed, and of what changed in it, as shares of the page; null: not sampled. */
  compressedShare: z.number().nullable(),
  deltaShare: z.number().nullable(),
  atHand: z.array(MeansAtHand),
  /** Empty in reports, which tell them beside. */
  decisions: z.array(MigrationDecision),
});
export type ConvergenceFacts = z.infer<typeof ConvergenceFacts>;

/** What an agent measures of a VM that stays: a second of its writing. */
export const MigrationProbe = z.object({
  dirtyRateMiBps: z.number().nullable(),
  /** Memory that its process has: what would have to be sent, at most. */
  usedMiB: z.number(),
  /** What compression, and XBZRLE, would make of a page that it writes, as shares of it; null: not sampled. */
  compressedShare: z.number().nullable().default(null),
  deltaShare: z.number().nullable().default(null),
  atHand: z.array(MeansAtHand),
});
export type MigrationProbe = z.infer<typeof MigrationProbe>;

/** The same, found out by its host without being asked. */
export const VmProbe = MigrationProbe.extend({ vmId: Id, epoch: z.int() });
export type VmProbe = z.infer<typeof VmProbe>;

/** What moving a VM would take, by the rule that would decide about it. */
export const MigrationPrediction = z.object({
  at: Timestamp,
  migrationPolicyId: Id,
  usedMiB: z.number(),
  dirtyRateMiBps: z.number(),
  compressedShare: z.number().nullable().default(null),
  deltaShare: z.number().nullable().default(null),
  bandwidthMiBps: z.number(),
  /** measured: in the latest migrations from its host; limit: of its policy; assumed: there is nothing to go by. */
  bandwidthFrom: z.enum(['measured', 'limit', 'assumed']),
  /** null: it would not end. */
  totalMs: z.number().nullable(),
  downtimeMs: z.number().nullable(),
  transferredMiB: z.number().nullable(),
  /** What would have to be done about the guest. */
  means: z.array(z.object({ means: Means, value: z.number().nullable() })),
  /** What could be done about it, as its host found. */
  atHand: z.array(MeansAtHand).default([]),
  reason: z.string(),
});
export type MigrationPrediction = z.infer<typeof MigrationPrediction>;
