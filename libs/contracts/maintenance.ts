/** Maintenance by itself: policies that say when hosts are to be emptied, and runs that carry it out. */
import { z } from 'zod';
import { Labels } from './affinity.js';
import { Id, Name, PageQuery, Timestamp } from './common.js';
import { HealthKind, HealthState } from './health.js';

/** A time that comes again and again. */
export const MaintenanceWindow = z
  .object({
    /** When it opens: minute, hour, day of month, month, day of week (crontab(5)). */
    cron: z.string().trim().min(1).max(100),
    /** In which it is reckoned: a name of the IANA time zone database. */
    timeZone: z.string().min(1).max(64).default('UTC'),
    durationMinutes: z.int().min(1).max(10_080),
  })
  .strict();
export type MaintenanceWindow = z.infer<typeof MaintenanceWindow>;

/** Whether a host is emptied as soon as it is due, or when the policy's next window opens. */
const when = z.enum(['at_once', 'in_window']).default('in_window');

/** Why a policy wants a host in maintenance. */
export const MaintenanceTrigger = z.discriminatedUnion('kind', [
  /** Each time that a window opens. */
  z.object({ kind: z.literal('window') }).strict(),
  /** A check of one of these kinds is in this state, or worse. */
  z
    .object({
      kind: z.literal('health'),
      checks: z.array(HealthKind).min(1).max(20),
      atLeast: HealthState.exclude(['ok']).default('failed'),
      when,
    })
    .strict(),
  /** So many migrations from or to the host have failed of late. */
  z
    .object({
      kind: z.literal('migration_failures'),
      count: z.int().min(1).max(100).default(3),
      withinMinutes: z.int().min(1).max(10_080).default(60),
      when,
    })
    .strict(),
  /** Another system has asked for it (POST /hosts/{id}/maintenance-requests). */
  z.object({ kind: z.literal('request'), when }).strict(),
]);
export type MaintenanceTrigger = z.infer<typeof MaintenanceTrigger>;

/** What is done with a host that is in maintenance. */
export const MaintenanceAction = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }).strict(),
  /** Off and on again, by the host's power management. */
  z.object({ kind: z.literal('power_cycle') }).strict(),
  /** An executable of the host's maintenance.d folder. */
  z
    .object({
      kind: z.literal('command'),
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'use the name of a file in the folder maintenance.d of the host'),
      arguments: z.array(z.string().max(500)).max(20).default([]),
      timeoutSeconds: z.int().min(1).max(86_400).default(3600),
      /** It restarts the host, or the agent: that it is cut short by that is its success. */
      restarts: z.boolean().default(false),
    })
    .strict(),
]);
export type MaintenanceAction = z.infer<typeof MaintenanceAction>;

/**
 * What becomes of a VM that cannot leave. wait: until it can, or the host is skipped; move_anyway: pinned or not, whatever
 * affinity groups and the reservation say; stop: it is shut down, and started again afterwards; skip: the host is left
 * as it is.
 */
export const BlockedChoice = z.enum(['wait', 'move_anyway', 'stop', 'skip']);
export type BlockedChoice = z.infer<typeof BlockedChoice>;

/** After what the hosts of a rollout that have not begun are left as they are. `skipped`: after `failed` as well. */
export const RolloutStop = z.enum(['failed', 'skipped', 'never']);
export type RolloutStop = z.infer<typeof RolloutStop>;

const procedure = {
  action: MaintenanceAction,
  onBlocked: BlockedChoice,
  /** A host whose turn it is, and whose VMs wait because they cannot leave, is skipped after so long. */
  blockedWaitMinutes: z.int().min(1).max(10_080),
  /** Whether the rest of a rollout goes on after a host that has failed, or was skipped. */
  stopRolloutOn: RolloutStop,
  /** Migrations of one VM that may fail. */
  maxAttempts: z.int().min(1).max(20),
  /** A host that is not empty by then goes back to work, and its run has failed. */
  evacuationTimeoutMinutes: z.int().min(1).max(10_080),
  /** Whether the host takes VMs again afterwards, if it is healthy; else it stays in maintenance. */
  activate: z.boolean(),
  /** Whether the VMs that had to leave come back. */
  returnVms: z.boolean(),
};

/** How a host is brought into maintenance and out of it. */
export const MaintenanceProcedure = z.object({
  action: procedure.action.prefault({ kind: 'none' }),
  onBlocked: procedure.onBlocked.default('wait'),
  blockedWaitMinutes: procedure.blockedWaitMinutes.default(30),
  stopRolloutOn: procedure.stopRolloutOn.default('failed'),
  maxAttempts: procedure.maxAttempts.default(3),
  evacuationTimeoutMinutes: procedure.evacuationTimeoutMinutes.default(120),
  activate: procedure.activate.default(true),
  returnVms: procedure.returnVms.default(true),
});
export type MaintenanceProcedure = z.infer<typeof MaintenanceProcedure>;

const members = z.array(Id).max(1000);
const hostsAtOnce = z.int().min(1).max(100);
const quietMinutes = z.int().min(0).max(525_600);

/** Its hosts: those named, and those with any of the labels; all of the cluster if it says neither. */
export const CreateMaintenancePolicy = z
  .object({
    clusterId: Id,
    name: Name,
    description: z.string().max(1000).default(''),
    enabled: z.boolean().default(true),
    hostIds: members.default([]),
    hostLabels: Labels.default([]),
    windows: z.array(MaintenanceWindow).max(20).default([]),
    triggers: z.array(MaintenanceTrigger).min(1).max(20),
    /** Size of the groups in which a cluster is gone through; the next one begins when the last one is done. */
    hostsAtOnce: hostsAtOnce.default(1),
    /** So long after a run a host is left alone, though the same is the matter with it. */
    quietMinutes: quietMinutes.default(1440),
    ...MaintenanceProcedure.shape,
  })
  .strict();
export type CreateMaintenancePolicy = z.infer<typeof CreateMaintenancePolicy>;

export const UpdateMaintenancePolicy = z
  .object({
    name: Name,
    description: z.string().max(1000),
    enabled: z.boolean(),
    hostIds: members,
    hostLabels: Labels,
    windows: z.array(MaintenanceWindow).max(20),
    triggers: z.array(MaintenanceTrigger).min(1).max(20),
    hostsAtOnce,
    quietMinutes,
    ...procedure,
    /** The version that the change was made to: refused if there is a newer one. */
    version: z.int(),
  })
  .partial()
  .strict();
export type UpdateMaintenancePolicy = z.infer<typeof UpdateMaintenancePolicy>;

export const MaintenancePolicyView = CreateMaintenancePolicy.extend({
  id: Id,
  /** Grows with each change. */
  version: z.int(),
  /** Of all its hosts; null if it has no windows. */
  nextWindow: z.object({ startsAt: Timestamp, endsAt: Timestamp }).nullable(),
  createdAt: Timestamp,
});
export type MaintenancePolicyView = z.infer<typeof MaintenancePolicyView>;

/** A policy as it was. */
export const MaintenancePolicyVersion = z.object({
  version: z.int(),
  changedAt: Timestamp,
  changedBy: z.string(),
  policy: CreateMaintenancePolicy,
});
export type MaintenancePolicyVersion = z.infer<typeof MaintenancePolicyVersion>;

export const MaintenancePolicyQuery = PageQuery.extend({ clusterId: Id.optional() });
export type MaintenancePolicyQuery = z.infer<typeof MaintenancePolicyQuery>;

/** What a policy would do now. */
export const MaintenanceDryRun = z.object({
  due: z.array(z.object({ hostId: Id, hostName: z.string(), group: z.int(), reason: z.string() })),
  windows: z.array(z.object({ startsAt: Timestamp, endsAt: Timestamp })),
  summary: z.string(),
});
export type MaintenanceDryRun = z.infer<typeof MaintenanceDryRun>;

export const CalendarQuery = z.object({
  clusterId: Id.optional(),
  /** From now on, if left out; four weeks at the most. */
  from: Timestamp.optional(),
  to: Timestamp.optional(),
});
export type CalendarQuery = z.infer<typeof CalendarQuery>;

export const CalendarEntry = z.object({
  policyId: Id,
  policyName: z.string(),
  clusterId: Id,
  startsAt: Timestamp,
  endsAt: Timestamp,
  /** Those that the policy is about now. */
  hosts: z.array(z.object({ id: Id, name: z.string() })),
});
export type CalendarEntry = z.infer<typeof CalendarEntry>;
export const CalendarView = z.object({ entries: z.array(CalendarEntry) });
export type CalendarView = z.infer<typeof CalendarView>;
