/** Where should VMs be? Facts and a policy in, moves with reasons out. No clock, no randomness, no I/O. */
import type { SchedulingPolicy } from '#contracts';
import type { Check, Choice, ClusterFacts, Limits, NewVm, Plan } from './facts.js';

export type * from './facts.js';

/** What should move now, and why; see plan.ts. */
export declare function plan(facts: ClusterFacts, policy: SchedulingPolicy, limits: Limits, nowMs: number): Plan;
/** The host on which a new VM starts best. */
export declare function placeVm(facts: ClusterFacts, vm: NewVm, policy: SchedulingPolicy): Choice;
/** Whether a new VM may start on a host that somebody named. */
export declare function checkPlacement(facts: ClusterFacts, vm: NewVm, hostId: string, policy: SchedulingPolicy): Check;
/** The best destination for a VM that somebody wants to move; a person's order does not wait for the cooldown. */
export declare function chooseDestination(facts: ClusterFacts, vmId: string, limits: Limits): Choice;
/** Whether a VM may be moved to a host that somebody named. */
export declare function checkMove(facts: ClusterFacts, vmId: string, destinationHostId: string, limits: Limits): Check;
/** Spread of load over the hosts that are up, 0-100. */
export declare function imbalance(facts: ClusterFacts): number;
