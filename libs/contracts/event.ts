import { z } from 'zod';
import { Id, PageQuery, Timestamp } from './common.js';
import { ClusterView } from './cluster.js';
import { HostView } from './host.js';
import { MigrationView } from './migration.js';
import { PlanView } from './plan.js';
import { VmView } from './vm.js';

export const Severity = z.enum(['info', 'warning', 'error']);
export type Severity = z.infer<typeof Severity>;

/** Something that happened and that an administrator may want to know; kept. */
export const EventView = z.object({
  /** Grows by time; also the cursor and the stream's event id. */
  id: z.string(),
  at: Timestamp,
  severity: Severity,
  /** Dotted, stable, for programs: host.up, vm.migrated, plan.applied, ... */
  type: z.string(),
  message: z.string(),
  clusterId: Id.nullable(),
  hostId: Id.nullable(),
  vmId: Id.nullable(),
  migrationId: Id.nullable(),
  planId: Id.nullable(),
});
export type EventView = z.infer<typeof EventView>;

export const EventQuery = PageQuery.extend({
  severity: Severity.optional(),
  type: z.string().optional(),
  clusterId: Id.optional(),
  hostId: Id.optional(),
  vmId: Id.optional(),
  migrationId: Id.optional(),
});
export type EventQuery = z.infer<typeof EventQuery>;

/**
 * What GET /events/stream carries: `event:` is the kind, `data:` the whole new view. Only `event` has an id and is
 * replayed from Last-Event-ID; the others are the state at the time of connecting and whenever it changes.
 */
export const StreamMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('event'), data: EventView }),
  z.object({ kind: z.literal('cluster'), data: ClusterView }),
  z.object({ kind: z.literal('host'), data: HostView }),
  z.object({ kind: z.literal('vm'), data: VmView }),
  z.object({ kind: z.literal('migration'), data: MigrationView }),
  z.object({ kind: z.literal('plan'), data: PlanView }),
  z.object({ kind: z.literal('deleted'), data: z.object({ resource: z.enum(['cluster', 'host', 'vm']), id: Id }) }),
]);
export type StreamMessage = z.infer<typeof StreamMessage>;
