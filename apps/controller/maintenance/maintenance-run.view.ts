import type { MaintenanceRunView, MaintenanceVm } from '#contracts';
import type { MaintenanceRun } from '#database';

export const maintenanceRunView = (run: MaintenanceRun): MaintenanceRunView => ({
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
  phaseSince: run.phaseSince.toISOString(),
  waitsForWindow: run.waitsForWindow,
  windowEndsAt: run.windowEndsAt?.toISOString() ?? null,
  procedure: run.procedure,
  vms: run.vms,
  progress: progressOf(run),
  command: run.command,
  timeline: run.timeline,
  createdAt: run.createdAt.toISOString(),
  startedAt: run.startedAt?.toISOString() ?? null,
  endedAt: run.endedAt?.toISOString() ?? null,
});

const isStill = ({ state }: MaintenanceVm) => state === 'here' || state === 'leaving';

/** VMs share their host's link, so their times add up. */
function progressOf({ vms, startedAt, phase }: MaintenanceRun): MaintenanceRunView['progress'] {
  const still = vms.filter(isStill);
  const seconds = still.reduce<number | null>(
    (sum, { expectedSeconds }) => (sum === null || expectedSeconds === null ? null : sum + expectedSeconds),
    0,
  );
  return {
    vmsGone: vms.length - still.length,
    vmsTotal: vms.length,
    remainingMiB: still.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0),
    etaSeconds: startedAt !== null && phase === 'evacuating' ? seconds : null,
  };
}
