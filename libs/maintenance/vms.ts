/** What has become of the VMs that a host's maintenance is about, by the rows as they are now. */
import type { MaintenancePhase, MaintenanceVm, VmStatus } from '#contracts';

export interface VmRow {
  readonly id: string;
  readonly name: string;
  readonly memoryMiB: number;
  readonly status: VmStatus;
  readonly statusReason: string;
  readonly hostId: string | null;
}

/** Of its migrations since the run began. */
export interface VmMoves {
  readonly failed: number;
  readonly lastError: string;
  /** A person has moved it. */
  readonly byPeople: boolean;
}

const NO_MOVES: VmMoves = { failed: 0, lastError: '', byPeople: false };

/**
 * The VMs as they are now; those that have appeared on the host while it is being emptied are added.
 * @param rows of all VMs that the run knows, and of all that are on the host.
 */
export function followVms(
  known: readonly MaintenanceVm[],
  phase: MaintenancePhase,
  hostId: string,
  rows: readonly VmRow[],
  movesOf: ReadonlyMap<string, VmMoves>,
): MaintenanceVm[] {
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const followed = known.map((vm) => {
    const moves = movesOf.get(vm.vmId) ?? NO_MOVES;
    const now = stateOf(vm, rowOf.get(vm.vmId), moves, hostId, phase === 'returning');
    return { ...vm, attempts: moves.failed, ...now };
  });
  if (phase !== 'evacuating') return followed;
  const isKnown = new Set(known.map(({ vmId }) => vmId));
  const added = rows.filter((row) => row.hostId === hostId && row.status !== 'down' && !isKnown.has(row.id));
  return [...followed, ...added.map(newVm)];
}

/** A VM on a host that begins to be emptied. */
export const newVm = ({ id, name, memoryMiB, status }: VmRow): MaintenanceVm => ({
  vmId: id,
  vmName: name,
  memoryMiB,
  state: status === 'migrating' ? 'leaving' : 'here',
  reason: '',
  hostId: null,
  attempts: 0,
  expectedSeconds: null,
  choice: null,
});

type Now = Pick<MaintenanceVm, 'state' | 'reason' | 'hostId'>;

function stateOf(vm: MaintenanceVm, row: VmRow | undefined, moves: VmMoves, hostId: string, returns: boolean): Now {
  const gone = { hostId: null, reason: 'it does not run any more' };
  switch (vm.state) {
    case 'here':
    case 'leaving':
      if (!row || row.status === 'down') return { state: 'left', ...gone };
      if (row.hostId !== hostId) return { state: 'left', hostId: row.hostId, reason: '' };
      return { state: row.status === 'migrating' ? 'leaving' : 'here', hostId: null, reason: moves.lastError };
    case 'left':
      if (row?.hostId === hostId && (returns || row.status !== 'migrating') && vm.hostId !== null)
        return { state: returns ? 'returned' : 'here', hostId, reason: '' };
      if (returns && moves.byPeople) return { state: 'stayed', hostId: vm.hostId, reason: 'a person has moved it' };
      return { state: 'left', hostId: row ? row.hostId : null, reason: moves.lastError };
    case 'stopped':
      if (!row || row.status === 'down' || row.status === 'stopping') return vm;
      // Somebody has started it meanwhile.
      if (row.hostId !== hostId) return { state: 'stayed', hostId: row.hostId, reason: 'it was started elsewhere' };
      return returns ? { state: 'coming_back', hostId: null, reason: 'it is started again' } : vm;
    case 'coming_back':
      if (!row || row.status === 'down')
        return { state: 'stayed', ...gone, reason: row?.statusReason || 'it does not run any more' };
      if (row.status === 'migrating' || row.status === 'starting') return vm;
      if (row.hostId === hostId) return { state: 'returned', hostId, reason: '' };
      return { state: 'left', hostId: row.hostId, reason: moves.lastError };
    case 'returned':
    case 'stayed':
      return vm;
  }
}
