import { z } from 'zod';
import { Id, Name, PageQuery, Timestamp } from './common.js';

/** A word that marks hosts or VMs, for affinity groups and maintenance. */
export const Label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/, 'use lower-case letters, digits, and . _ / - between them');
export const Labels = z.array(Label).max(32);

/** oVirt's AffinityRule: `positive` brings together, negative keeps apart; `enforcing` is hard, otherwise soft. */
export const AffinityRule = z.object({ enabled: z.boolean(), positive: z.boolean(), enforcing: z.boolean() });
export type AffinityRule = z.infer<typeof AffinityRule>;

const DISABLED = { enabled: false, positive: true, enforcing: false };
const members = z.array(Id).max(1000);

/** VMs of a group: those named, and those with any of the labels; hosts alike. The same shape as oVirt's. */
const shape = {
  name: Name,
  description: z.string().max(1000).default(''),
  /** Of two soft rules that cannot both hold, the one with the higher priority counts more. */
  priority: z.number().min(1).max(1000).default(1),
  /** VMs to VMs: on one host, or each on another. */
  vmsRule: AffinityRule.default(DISABLED),
  /** VMs to hosts: on these hosts, or on any but these. */
  hostsRule: AffinityRule.default(DISABLED),
  vmIds: members.default([]),
  vmLabels: Labels.default([]),
  hostIds: members.default([]),
  hostLabels: Labels.default([]),
};
export const CreateAffinityGroup = z.object({ clusterId: Id, ...shape });
export type CreateAffinityGroup = z.infer<typeof CreateAffinityGroup>;

/** What the planner goes by. */
export const AffinityGroup = z.object({ id: Id, ...shape });
export type AffinityGroup = z.infer<typeof AffinityGroup>;

export const UpdateAffinityGroup = z
  .object({
    name: Name,
    description: z.string().max(1000),
    priority: z.number().min(1).max(1000),
    vmsRule: AffinityRule,
    hostsRule: AffinityRule,
    vmIds: members,
    vmLabels: Labels,
    hostIds: members,
    hostLabels: Labels,
  })
  .partial()
  .strict();
export type UpdateAffinityGroup = z.infer<typeof UpdateAffinityGroup>;

/** A group as it would be; with the id of the one that it would replace. */
export const CheckAffinityGroup = CreateAffinityGroup.extend({ id: Id.optional() }).strict();
export type CheckAffinityGroup = z.infer<typeof CheckAffinityGroup>;

/** A VM that is where a rule does not want it. */
export const AffinityViolation = z.object({ vmId: Id, vmName: z.string(), isHard: z.boolean(), reason: z.string() });
export type AffinityViolation = z.infer<typeof AffinityViolation>;

export const AffinityCheck = z.object({
  /** Who would break its rules, where all VMs are now. */
  violations: z.array(AffinityViolation),
  /** Hard rules that could not hold together with it, by name; it would be refused. */
  conflicts: z.array(z.string()),
});
export type AffinityCheck = z.infer<typeof AffinityCheck>;

export const AffinityGroupView = AffinityGroup.extend({
  clusterId: Id,
  violations: z.array(AffinityViolation),
  createdAt: Timestamp,
});
export type AffinityGroupView = z.infer<typeof AffinityGroupView>;

/** Names are unique in a cluster alone, so lists are of one cluster. */
export const AffinityGroupQuery = PageQuery.extend({ clusterId: Id });
export type AffinityGroupQuery = z.infer<typeof AffinityGroupQuery>;
