import { z } from 'zod';
import { Id } from './common.js';

/** What one host is to a VM. */
export const HostScore = z.object({
  hostId: Id,
  hostName: z.string(),
  isCurrent: z.boolean(),
  /** The lower the better, by the policy's own measure; null = it is not up. */
  score: z.number().nullable(),
  cpuPercent: z.number(),
  memoryPercent: z.number(),
  /** Of its link; null: nobody knows how fast that is. */
  networkPercent: z.number().nullable().default(null),
  /** Percent of time that something there waited for CPU, memory or disks. */
  pressurePercent: z.number(),
  /** Null: the VM may run there. */
  obstacle: z.string().nullable(),
  /** The obstacle as a sentence, or what moving there would take. */
  reason: z.string(),
  /** Rules of affinity groups that it breaks there. */
  broken: z.array(z.string()),
});
export type HostScore = z.infer<typeof HostScore>;

/** GET /vms/{id}/placement: why it is where it is, and why it does not move. */
export const PlacementView = z.object({
  vmId: Id,
  vmName: z.string(),
  /** The policy by which hosts are scored. */
  policy: z.string(),
  answer: z.string(),
  /** Where the policy would send it now; null = it stays. */
  destinationHostId: Id.nullable(),
  /** Every host of the cluster, the best one first. */
  hosts: z.array(HostScore),
});
export type PlacementView = z.infer<typeof PlacementView>;
