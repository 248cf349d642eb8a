/** A cluster that is not as it is: other policy, fewer hosts, more VMs. */
import type { SchedulingPolicy } from '#contracts';
import type { Choice, Plan } from './answers.js';
import { placeVm } from './destination.js';
import type { ClusterFacts, Limits, NewVm, VmFacts } from './facts.js';
import { EXPECTED_CORES_PER_VCPU } from './host-state.js';
import { imbalance, plan } from './plan.js';
import { wattsOf } from './power-curve.js';
import { UNWATCHED_VM } from './unwatched-vm.js';

export interface WhatIfQuestion {
  readonly policy: SchedulingPolicy;
  /** Hosts that would be emptied and taken away. */
  readonly withoutHostIds: readonly string[];
  /** VMs that would be started, in this order. */
  readonly newVms: readonly NewVm[];
}

export interface WhatIfAnswer {
  readonly plan: Plan;
  /** Where each new VM would start, or why nowhere. */
  readonly placements: readonly { readonly vm: NewVm; readonly choice: Choice }[];
  /** As the cluster is. */
  readonly imbalanceBefore: number;
  /** As it would be when all moves have arrived. */
  readonly imbalanceAfter: number;
  /** Null if a power curve is not known. */
  readonly wattsBefore: number | null;
  readonly wattsAfter: number | null;
  /** What the plan was made of. */
  readonly facts: ClusterFacts;
}

/**
 * What the planner would say. Nothing is changed.
 * @throws RangeError for a host that is not there.
 */
export function whatIf(facts: ClusterFacts, question: WhatIfQuestion, limits: Limits, nowMs: number): WhatIfAnswer {
  const { policy, withoutHostIds, newVms } = question;
  let supposed = without(facts, withoutHostIds);
  const placements = newVms.map((vm) => {
    const choice = placeVm(supposed, vm, policy, limits);
    if (choice.hostId !== null) supposed = started(supposed, vm, choice.hostId);
    return { vm, choice };
  });
  const made = plan(supposed, policy, limits, nowMs);
  return {
    plan: made,
    placements,
    imbalanceBefore: imbalance(facts),
    imbalanceAfter: made.imbalanceAfter,
    wattsBefore: wattsOf(facts),
    wattsAfter: wattsOf(carriedOut(supposed, made, withoutHostIds)),
    facts: supposed,
  };
}

function without(facts: ClusterFacts, hostIds: readonly string[]): ClusterFacts {
  const gone = new Set(hostIds);
  for (const id of gone)
    if (!facts.hosts.some((host) => host.id === id)) throw new RangeError(`there is no host ${id} in this cluster`);
  const hosts = facts.hosts.map((host) =>
    gone.has(host.id) && host.status === 'up' ? { ...host, status: 'preparing_for_maintenance' as const } : host,
  );
  return { ...facts, hosts };
}

function started(facts: ClusterFacts, newVm: NewVm, hostId: string): ClusterFacts {
  const cpuUsedCores = newVm.vcpus * EXPECTED_CORES_PER_VCPU;
  const vm: VmFacts = {
    ...UNWATCHED_VM,
    ...newVm,
    hostId,
    status: 'up',
    cpuUsedCores,
  };
  const hosts = facts.hosts.map((host) =>
    host.id === hostId ? { ...host, cpuUsedCores: host.cpuUsedCores + cpuUsedCores } : host,
  );
  return { ...facts, hosts, vms: [...facts.vms, vm] };
}

/** Loads go with the VMs; hosts that are taken away or switched off draw nothing. */
function carriedOut(
  facts: ClusterFacts,
  { moves, hostActions }: Plan,
  withoutHostIds: readonly string[],
): ClusterFacts {
  const homes = new Map(moves.map(({ vmId, destinationHostId }) => [vmId, destinationHostId]));
  const vms = facts.vms.map((vm) => ({ ...vm, hostId: homes.get(vm.id) ?? vm.hostId }));
  const occupied = new Set(vms.filter(({ status }) => status !== 'down').map(({ hostId }) => hostId));
  const off = new Set([
    ...withoutHostIds.filter((id) => !occupied.has(id)),
    ...hostActions.filter(({ action }) => action === 'power_off').map(({ hostId }) => hostId),
  ]);
  const on = new Set(hostActions.filter(({ action }) => action === 'power_on').map(({ hostId }) => hostId));
  const hosts = facts.hosts.map((host) =>
    off.has(host.id)
      ? { ...host, status: 'powered_off' as const }
      : on.has(host.id)
        ? { ...host, status: 'up' as const }
        : host,
  );
  return { ...facts, hosts, vms };
}
