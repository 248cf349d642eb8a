import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';
import { SchedulingPolicy } from './scheduling.js';

export const PlannedMove = z.object({
  vmId: Id,
  vmName: z.string(),
  sourceHostId: Id,
  sourceHostName: z.string(),
  destinationHostId: Id,
  destinationHostName: z.string(),
  reason: z.string(),
  /** Points of imbalance that the move removes; 0 for an evacuation. */
  gain: z.number(),
  /** The migration that carries it out; null in a dry run. */
  migrationId: Id.nullable(),
});
export type PlannedMove = z.infer<typeof PlannedMove>;

export const Refusal = z.object({
  /** Null if it is about a host. */
  vmId: Id.nullable(),
  vmName: z.string().nullable(),
  /** The destination that was refused; null if the VM as a whole was not to be moved. */
  hostId: Id.nullable(),
  hostName: z.string().nullable(),
  reason: z.string(),
});
export type Refusal = z.infer<typeof Refusal>;

export const PlanView = z.object({
  id: Id,
  clusterId: Id,
  kind: z.enum(['dry_run', 'applied']),
  policy: SchedulingPolicy,
  /** 0-100: spread of load over hosts, before and after the plan's moves. */
  imbalanceBefore: z.number(),
  imbalanceAfter: z.number(),
  summary: z.string(),
  moves: z.array(PlannedMove),
  refusals: z.array(Refusal),
  createdAt: Timestamp,
});
export type PlanView = z.infer<typeof PlanView>;

/** A dry run; `schedulingPolicy` tries a policy that is not the cluster's. */
export const CreatePlan = z.object({ schedulingPolicy: SchedulingPolicy.optional() });
export type CreatePlan = z.infer<typeof CreatePlan>;

export const PlanQuery = PageQuery.extend({
  clusterId: Id.optional(),
  kind: z.enum(['dry_run', 'applied']).optional(),
});
export type PlanQuery = z.infer<typeof PlanQuery>;
