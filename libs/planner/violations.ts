/** Which VMs are where an affinity group does not want them. */
import type { AffinityViolation } from '#contracts';
import { ClusterState } from './cluster-state.js';
import type { ClusterFacts } from './facts.js';

/** VMs that break a rule of the group, with moves under way counted as arrived. */
export function violationsOf(facts: ClusterFacts, groupId: string): AffinityViolation[] {
  const group = facts.affinityGroups.find(({ id }) => id === groupId);
  const state = new ClusterState({ ...facts, affinityGroups: group ? [group] : [] });
  return state.hosts
    .flatMap((host) => host.vms)
    .flatMap((vm) =>
      state.affinity.breaches(vm.id, state.locationOf(vm).index).map(({ isHard, reason }) => ({
        vmId: vm.id,
        vmName: vm.name,
        isHard,
        reason,
      })),
    );
}
