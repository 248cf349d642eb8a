import type { MaintenanceRunView, MaintenanceVm } from '#contracts';
import type { MaintenanceRun, Migration, Repositories, Vm } from '#database';
import { type LeavingVm, secondsToEmpty } from '#maintenance';

const MIB = 2 ** 20;

const isStill = ({ state }: MaintenanceVm) => state === 'here' || state === 'leaving';

/** With the time that is still needed, by what VMs write and migrations have measured until now. */
export async function maintenanceRunViews(
  db: Pick<Repositories, 'vms' | 'migrations'>,
  runs: readonly MaintenanceRun[],
): Promise<MaintenanceRunView[]> {
  const evacuating = runs.filter(({ phase }) => phase === 'evacuating');
  const vmIds = evacuating.flatMap(({ vms }) => vms.filter(isStill).map(({ vmId }) => vmId));
  const vms = new Map((await db.vms.byIds(vmIds)).map((vm) => [vm.id, vm]));
  const moves = new Map((await db.migrations.activeOfVms(vmIds)).map((move) => [move.vmId, move]));
  const leaving = (vm: MaintenanceVm) => leavingVm(vm, vms.get(vm.vmId), moves.get(vm.vmId));
  return runs.map((run) => ({ ...viewOf(run), progress: progressOf(run, leaving) }));
}

const viewOf = (run: MaintenanceRun): Omit<MaintenanceRunView, 'progress'> => ({
  id: run.id,
  clusterId: run.clusterId,
  hostId: run.hostId,
  hostName: run.hostName,
  policyId: run.policyId,
  policyName: run.policyName,
  policyVersion: run.policyVersion,
  trigger: run.trigger,
  reason: run.reason,
  rolloutId: run.rolloutId,
  group: run.groupNumber,
  phase: run.phase,
  phaseReason: run.phaseReason,
  heldSince: run.heldSince?.toISOString() ?? null,
  phaseSince: run.phaseSince.toISOString(),
  waitsForWindow: run.waitsForWindow,
  windowEndsAt: run.windowEndsAt?.toISOString() ?? null,
  procedure: run.procedure,
  vms: run.vms,
  command: run.command,
  timeline: run.timeline,
  createdAt: run.createdAt.toISOString(),
  startedAt: run.startedAt?.toISOString() ?? null,
  endedAt: run.endedAt?.toISOString() ?? null,
});

function progressOf(
  { vms, phase }: MaintenanceRun,
  leaving: (vm: MaintenanceVm) => LeavingVm,
): MaintenanceRunView['progress'] {
  const still = vms.filter(isStill);
  const left = still.map(leaving);
  return {
    vmsGone: vms.length - still.length,
    vmsTotal: vms.length,
    remainingMiB: left.reduce((sum, vm) => sum + vm.remainingMiB, 0),
    etaSeconds: phase === 'evacuating' ? secondsToEmpty(left) : null,
  };
}

/** Disks that are copied count as memory does: they take the same link. */
function leavingVm(
  { memoryMiB, expectedSeconds }: MaintenanceVm,
  vm: Vm | undefined,
  move: Migration | undefined,
): LeavingVm {
  const progress = move?.progress ?? null;
  const dirtyRateMiBps = progress?.dirtyRateMiBps ?? vm?.dirtyRateMiBps ?? 0;
  if (!progress)
    return {
      remainingMiB: Math.min(memoryMiB, vm?.memoryUsedMiB ?? memoryMiB),
      ...{ dirtyRateMiBps, bandwidthMiBps: null, expectedSeconds },
    };
  const remainingBytes = progress.remainingBytes + (progress.disks?.remainingBytes ?? 0);
  const bandwidthMiBps = progress.bandwidthMiBps || null;
  return { remainingMiB: remainingBytes / MIB, dirtyRateMiBps, bandwidthMiBps, expectedSeconds };
}
