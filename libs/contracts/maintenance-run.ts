/** One host's way into maintenance and out of it. */
import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';
import { Labels } from './affinity.js';
import { BlockedChoice, MaintenanceProcedure } from './maintenance.js';

export const MaintenancePhase = z.enum([
  'waiting', // for its window, its group, or room on other hosts
  'evacuating',
  'acting', // the host is in maintenance
  'checking', // is it healthy?
  'returning', // it takes VMs again, and those that had to leave come back
  'paused',
  'done',
  'failed',
  'skipped', // its VMs cannot leave; the host goes on as it was
  'cancelled',
]);
export type MaintenancePhase = z.infer<typeof MaintenancePhase>;

export const RunTrigger = z.enum(['window', 'health', 'migration_failures', 'request', 'manual']);
export type RunTrigger = z.infer<typeof RunTrigger>;

/** A VM that has to leave, or had to. */
export const MaintenanceVm = z.object({
  vmId: Id,
  vmName: z.string(),
  memoryMiB: z.int(),
  /** here: waits for its turn, or cannot leave. stayed: it was to come back, and did not. */
  state: z.enum(['here', 'leaving', 'left', 'stopped', 'coming_back', 'returned', 'stayed']),
  /** What its state is about: why it cannot leave, or where it went. */
  reason: z.string(),
  /** Where it went; null before. */
  hostId: Id.nullable(),
  /** Migrations that have failed. */
  attempts: z.int(),
  /** For the way out, as predicted when the run began; null: it would not end by itself. */
  expectedSeconds: z.number().nullable(),
  /** What somebody has chosen for it; null: what the run says of all. */
  choice: BlockedChoice.nullable(),
});
export type MaintenanceVm = z.infer<typeof MaintenanceVm>;

/** Told by the agent that carries it out, until the controller knows the end. */
export const CommandReport = z.object({
  runId: Id,
  status: z.enum(['running', 'succeeded', 'failed']),
  exitCode: z.int().nullable(),
  /** The end of what it has written, or why it could not be run. */
  output: z.string().max(4096),
});
export type CommandReport = z.infer<typeof CommandReport>;

export const MaintenanceRunView = z.object({
  id: Id,
  clusterId: Id,
  hostId: Id,
  hostName: z.string(),
  /** Null: begun by hand. */
  policyId: Id.nullable(),
  policyName: z.string().nullable(),
  policyVersion: z.int().nullable(),
  trigger: RunTrigger,
  reason: z.string(),
  /** All hosts that are gone through together; a group begins when those before it are done. */
  rolloutId: Id,
  group: z.int(),
  phase: MaintenancePhase,
  /** What it waits for, or why it ended so. */
  phaseReason: z.string(),
  phaseSince: Timestamp,
  /** Since when its VMs have kept it from its turn; null: they do not. */
  heldSince: Timestamp.nullable(),
  /** Has it to begin within a window of its policy? */
  waitsForWindow: z.boolean(),
  /** It is given up if it has not begun by then. */
  windowEndsAt: Timestamp.nullable(),
  procedure: MaintenanceProcedure,
  vms: z.array(MaintenanceVm),
  progress: z.object({
    /** VMs that have left, of all that had to. */
    vmsGone: z.int(),
    vmsTotal: z.int(),
    /** Memory of the VMs that are still there, less what has been sent of it. */
    remainingMiB: z.number(),
    /** Until the host is empty, by what migrations have measured; null: not known, or no matter any more. */
    etaSeconds: z.number().nullable(),
  }),
  command: CommandReport.omit({ runId: true }).nullable(),
  timeline: z.array(z.object({ at: Timestamp, phase: MaintenancePhase, message: z.string() })),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
  endedAt: Timestamp.nullable(),
});
export type MaintenanceRunView = z.infer<typeof MaintenanceRunView>;

export const MaintenanceRunQuery = PageQuery.extend({
  clusterId: Id.optional(),
  hostId: Id.optional(),
  policyId: Id.optional(),
  rolloutId: Id.optional(),
  phase: MaintenancePhase.optional(),
  /** true: only those that have not ended. */
  active: z.stringbool().optional(),
});
export type MaintenanceRunQuery = z.infer<typeof MaintenanceRunQuery>;

const VmChoice = z.object({ vmId: Id, choice: BlockedChoice }).strict();

/** Hosts by name or label, one cluster's; all that are up if it says neither. */
export const CreateMaintenanceRuns = z
  .object({
    clusterId: Id,
    hostIds: z.array(Id).max(1000).default([]),
    hostLabels: Labels.default([]),
    reason: z.string().trim().min(1, 'say why, for those who find hosts empty').max(500),
    hostsAtOnce: z.int().min(1).max(100).default(1),
    choices: z.array(VmChoice).max(1000).default([]),
    ...MaintenanceProcedure.shape,
  })
  .strict();
export type CreateMaintenanceRuns = z.infer<typeof CreateMaintenanceRuns>;
export const MaintenanceRollout = z.object({ rolloutId: Id, runs: z.array(MaintenanceRunView) });
export type MaintenanceRollout = z.infer<typeof MaintenanceRollout>;

/** What is to become of VMs that cannot leave. */
export const UpdateMaintenanceRun = z.object({ choices: z.array(VmChoice).min(1).max(1000) }).strict();
export type UpdateMaintenanceRun = z.infer<typeof UpdateMaintenanceRun>;

export const CancelMaintenanceRun = z.object({ returnVms: z.boolean().default(true) }).strict();
export type CancelMaintenanceRun = z.infer<typeof CancelMaintenanceRun>;

/** By another system, such as one that patches hosts or watches racks. */
export const RequestMaintenance = z
  .object({
    source: z.string().trim().min(1, 'say which system asks').max(100),
    reason: z.string().trim().min(1, 'say why').max(400),
  })
  .strict();
export type RequestMaintenance = z.infer<typeof RequestMaintenance>;

export const ReportMaintenance = z.object({ hostIds: z.array(Id).min(1).max(100) }).strict();
export type ReportMaintenance = z.infer<typeof ReportMaintenance>;

/** Whether hosts could be emptied now, all at once. */
export const MaintenanceReport = z.object({
  isFeasible: z.boolean(),
  summary: z.string(),
  /** Until all are empty, by measured bandwidth and dirty rates; null: some VM would not arrive by itself. */
  expectedSeconds: z.number().nullable(),
  hosts: z.array(
    z.object({
      hostId: Id,
      hostName: z.string(),
      expectedSeconds: z.number().nullable(),
      vms: z.array(
        z.object({
          vmId: Id,
          vmName: z.string(),
          memoryMiB: z.int(),
          /** Null: nowhere. */
          destinationHostId: Id.nullable(),
          destinationHostName: z.string().nullable(),
          expectedSeconds: z.number().nullable(),
          expectedDowntimeMs: z.number().nullable(),
          bandwidthMiBps: z.number(),
          dirtyRateMiBps: z.number(),
          /** Why it goes there, or what is in its way. */
          reason: z.string(),
          /** What may be done about one that cannot leave. */
          choices: z.array(BlockedChoice),
        }),
      ),
    }),
  ),
});
export type MaintenanceReport = z.infer<typeof MaintenanceReport>;
