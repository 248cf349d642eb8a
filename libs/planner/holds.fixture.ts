/** What must hold of a cluster at any moment, reckoned anew: by none of the planner's own functions. */
import type { ClusterFacts, Move } from './index.js';

export const byId = <T extends { id: string }>(items: readonly T[]) => new Map(items.map((item) => [item.id, item]));

export const running = (state: ClusterFacts) => state.vms.filter(({ status }) => status !== 'down');

/** VMs that run on a host, those on their way counted on both ends. */
export const presentOn = (state: ClusterFacts, hostId: string): Set<string> =>
  new Set([
    ...running(state).flatMap((vm) => (vm.hostId === hostId ? vm.id : [])),
    ...state.inFlight.flatMap((move) => (move.destinationHostId === hostId ? move.vmId : [])),
  ]);

/** Memory held on a host while all moves under way are. */
export function memoryHeldMiB(state: ClusterFacts, hostId: string): number {
  const vms = byId(state.vms);
  const here = running(state).filter((vm) => vm.hostId === hostId);
  const arriving = state.inFlight.filter((move) => move.destinationHostId === hostId);
  return [...here, ...arriving.map((move) => vms.get(move.vmId)!)].reduce((sum, vm) => sum + vm.memoryMiB, 0);
}

export const migrationsOf = (state: ClusterFacts, hostId: string): number =>
  state.inFlight.filter((move) => move.sourceHostId === hostId || move.destinationHostId === hostId).length;

/** Why a hard rule about hosts, or one that keeps VMs apart, forbids the move as things are; null: none does. */
export function ruleBrokenBy({ vmId, destinationHostId }: Pick<Move, 'vmId' | 'destinationHostId'>, now: ClusterFacts) {
  for (const { name, vmIds, hostIds, vmsRule, hostsRule } of now.affinityGroups) {
    if (!vmIds.includes(vmId)) continue;
    if (hostsRule.enabled && hostsRule.enforcing && hostIds.includes(destinationHostId) !== hostsRule.positive)
      return `${name}: hosts`;
    if (!vmsRule.enabled || !vmsRule.enforcing || vmsRule.positive) continue;
    const present = presentOn(now, destinationHostId);
    if (vmIds.some((id) => id !== vmId && present.has(id))) return `${name}: apart`;
  }
  return null;
}

/** Whether the VMs of any so many hosts that are up find memory on the others: placed one by one, largest first. */
export function survives(state: ClusterFacts, failures: number): boolean {
  const up = state.hosts.filter(({ status }) => status === 'up');
  if (failures === 0) return true;
  if (up.length < failures) return false;
  const sizes = (hostId: string) => running(state).flatMap((vm) => (vm.hostId === hostId ? vm.memoryMiB : []));
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  return choicesOf(up, failures).every((failed) => {
    const free = up.filter((host) => !failed.includes(host)).map((host) => host.memoryMiB - sum(sizes(host.id)));
    const homeless = failed.flatMap((host) => sizes(host.id)).toSorted((a, b) => b - a);
    return homeless.every((size) => {
      const fitting = free.filter((space) => space >= size);
      if (fitting.length === 0) return false;
      free[free.indexOf(Math.min(...fitting))]! -= size;
      return true;
    });
  });
}

const choicesOf = <T>(items: readonly T[], size: number): T[][] =>
  size === 0
    ? [[]]
    : items.flatMap((item, index) => choicesOf(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]));
