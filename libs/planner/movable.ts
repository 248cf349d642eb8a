/** May this VM be migrated now? */
import type { VmPlacement } from '#contracts';
import type { ClusterState } from './cluster-state.js';
import type { VmFacts } from './facts.js';

/** Why the VM cannot be migrated, and what the administrator can do; null if it can. */
export function whyImmovable(state: ClusterState, vm: VmFacts): string | null {
  if (state.isMoving(vm)) return `${vm.name} is being migrated already`;
  if (vm.immovableReason !== null) return vm.immovableReason;
  switch (vm.status) {
    case 'up':
      return null;
    case 'migrating':
      return `${vm.name} is being migrated already`;
    case 'starting':
      return `${vm.name} is starting; it can move once it is up`;
    case 'stopping':
      return `${vm.name} is stopping; power it off if it does not end`;
    case 'paused':
      return `${vm.name} is paused; resume it or stop it`;
    case 'unknown':
      return `nothing is known of ${vm.name}; see to its host ${state.host(vm.hostId).name}`;
    case 'down':
      return `${vm.name} does not run`;
  }
}

/** Why a policy leaves the VM alone for now though it could move; null if it does not. */
export function whyResting(vm: VmFacts, nowMs: number): string | null {
  if (vm.whyEndless)
    return `${vm.name} writes so much that its migration is not expected to end (${vm.whyEndless}); allow more means in its migration policy, or move it yourself`;
  if (vm.isLeftToPeople) return `${vm.name} is moved by people alone; make it migratable to let policies move it`;
  if (vm.cooldownUntilMs === null || vm.cooldownUntilMs <= nowMs) return null;
  const until = new Date(vm.cooldownUntilMs).toISOString().slice(11, 19);
  return `${vm.name} rests after its last migration; policies leave it where it is until ${until} UTC`;
}

interface Bound {
  readonly name: string;
  readonly placement: VmPlacement;
  /** Why its last migration could not be made, and the next cannot; null: nothing of that kind. */
  readonly migrationObstacle: string | null;
}

/** What nobody but an administrator can change; null: nothing of that kind. */
export function whyBound({ name, placement, migrationObstacle }: Bound): string | null {
  if (placement === 'pinned') return `${name} is pinned to its host; unpin it to let it move`;
  return migrationObstacle === null ? null : `${name} could not be migrated: ${migrationObstacle}`;
}
