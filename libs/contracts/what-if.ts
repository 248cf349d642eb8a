import { z } from 'zod';
import { Id, Name, Timestamp } from './common.js';
import { PlannedHostAction, PlannedMove, Refusal } from './plan.js';
import { SchedulingPolicy } from './scheduling.js';

/** What is to be supposed; what is not given stays as it is. */
export const WhatIf = z
  .object({
    schedulingPolicy: SchedulingPolicy,
    /** As if it were this time: with the policy that the schedule has then. */
    at: Timestamp,
    /** Hosts that would be emptied and taken away. */
    withoutHostIds: z.array(Id).max(1000).default([]),
    /** VMs that would be started, in this order. */
    vms: z
      .array(
        z
          .object({ name: Name, vcpus: z.int().min(1).max(1024).default(1), memoryMiB: z.int().min(1).max(67_108_864) })
          .strict(),
      )
      .max(1000)
      .default([]),
  })
  .partial({ schedulingPolicy: true, at: true })
  .strict();
export type WhatIf = z.infer<typeof WhatIf>;

export const WhatIfView = z.object({
  policy: SchedulingPolicy,
  summary: z.string(),
  /** 0-100: of the cluster as it is, and as it would be after the moves. */
  imbalanceBefore: z.number(),
  imbalanceAfter: z.number(),
  /** Of all hosts that are on; null where a power curve is not known. */
  wattsBefore: z.number().nullable(),
  wattsAfter: z.number().nullable(),
  /** Where each of the VMs would start; null: nowhere. */
  placements: z.array(
    z.object({ vmName: z.string(), hostId: Id.nullable(), hostName: z.string().nullable(), reason: z.string() }),
  ),
  moves: z.array(PlannedMove),
  hostActions: z.array(PlannedHostAction),
  refusals: z.array(Refusal),
});
export type WhatIfView = z.infer<typeof WhatIfView>;
