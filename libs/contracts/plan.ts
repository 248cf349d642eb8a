import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';
import { SchedulingPolicy } from './scheduling.js';

/** automatic: plans are carried out; partially_automated: they wait for approval; manual: they are recommendations. */
export const PlanMode = z.enum(['automatic', 'partially_automated', 'manual']);
export type PlanMode = z.infer<typeof PlanMode>;

/** Why a VM moves: see the planner's answers. */
export const MoveKind = z.enum(['evacuation', 'make_room', 'affinity', 'balance', 'exchange', 'power_saving']);
export type MoveKind = z.infer<typeof MoveKind>;

/** How far a move of a plan is. */
export const MoveState = z.enum([
  'proposed', // nobody has said yet that it shall be made
  'approved', // it starts when those that it waits for have arrived
  'rejected',
  'started',
  'completed',
  'failed', // its migration failed or was cancelled
  'dropped', // the cluster has changed, or a move that it waited for did not arrive
]);
export type MoveState = z.infer<typeof MoveState>;

/** What a move is predicted to take. */
export const MoveCost = z.object({
  bytes: z.number(),
  durationMs: z.number(),
  pauseMs: z.number(),
  /** By how much the guest runs slower until the move ends, 0-1. */
  slowdown: z.number(),
  /** Percent points of its hosts' resources times seconds. */
  pointSeconds: z.number(),
});
export type MoveCost = z.infer<typeof MoveCost>;

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
  kind: MoveKind.default('balance'),
  /** Point-seconds that it brings; null: it has to be made whatever it costs. */
  benefit: z.number().nullable().default(null),
  /** Null: not known. */
  cost: MoveCost.nullable().default(null),
  /** Positions in `moves` of those that must have arrived before this one starts. */
  waitsFor: z.array(z.int().nonnegative()).default([]),
  state: MoveState.default('proposed'),
  /** Why it is in that state; empty if that is obvious. */
  stateReason: z.string().default(''),
  /** Who approved or rejected it; null: nobody had to. */
  decidedBy: z.string().nullable().default(null),
  /** The migration that carries it out; null as long as there is none. */
  migrationId: Id.nullable(),
});
export type PlannedMove = z.infer<typeof PlannedMove>;

/** Something that is done with a host to save power, or because its power is needed. */
export const PlannedHostAction = z.object({
  hostId: Id,
  hostName: z.string(),
  action: z.enum(['activate', 'deactivate', 'power_on', 'power_off']),
  reason: z.string(),
  /** Negative: that it costs. */
  savedWatts: z.number(),
});
export type PlannedHostAction = z.infer<typeof PlannedHostAction>;

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

/** proposed: it waits for approval, or is a recommendation; once something of it is approved, it is applied. */
const PlanKind = z.enum(['dry_run', 'proposed', 'applied']);

export const PlanStatus = z.enum([
  'waiting', // for approval
  'recommended', // in a cluster whose mode is manual
  'running', // some of its moves have yet to end, or to be approved
  'completed',
  'rejected',
  'expired', // the cluster has changed since
]);
export type PlanStatus = z.infer<typeof PlanStatus>;

export const PlanView = z.object({
  id: Id,
  clusterId: Id,
  kind: PlanKind,
  /** Null: a dry run. */
  status: PlanStatus.nullable().default(null),
  /** Why it is in that status; empty if that is obvious. */
  statusReason: z.string().default(''),
  policy: SchedulingPolicy,
  /** 0-100: spread of load over hosts, before and after the plan's moves. */
  imbalanceBefore: z.number(),
  imbalanceAfter: z.number(),
  summary: z.string(),
  moves: z.array(PlannedMove),
  hostActions: z.array(PlannedHostAction).default([]),
  refusals: z.array(Refusal),
  createdAt: Timestamp,
  endedAt: Timestamp.nullable().default(null),
});
export type PlanView = z.infer<typeof PlanView>;

/** A dry run; `schedulingPolicy` tries a policy that is not the cluster's. */
export const CreatePlan = z.object({ schedulingPolicy: SchedulingPolicy.optional() });
export type CreatePlan = z.infer<typeof CreatePlan>;

export const PlanQuery = PageQuery.extend({
  clusterId: Id.optional(),
  kind: PlanKind.optional(),
  status: PlanStatus.optional(),
});
export type PlanQuery = z.infer<typeof PlanQuery>;

/** POST /plans/{id}/approve and /reject. */
export const DecidePlan = z
  .object({
    /** Positions of the moves that are meant; left out: all that wait. */
    moves: z.array(z.int().nonnegative()).min(1, 'name a move, or leave this out to mean all').optional(),
    reason: z.string().trim().max(500).default(''),
  })
  .strict();
export type DecidePlan = z.infer<typeof DecidePlan>;
