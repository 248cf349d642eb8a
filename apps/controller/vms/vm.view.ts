import type { VmSpec, VmView } from '#contracts';
import type { Vm } from '#database';

export const vmView = (vm: Vm): VmView => ({
  ...vmSpec(vm),
  id: vm.id,
  clusterId: vm.clusterId,
  hypervisor: vm.hypervisor,
  architecture: vm.architecture,
  labels: vm.labels,
  placement: vm.placement,
  priority: vm.priority,
  hostId: vm.hostId,
  status: vm.status,
  statusReason: vm.statusReason,
  epoch: vm.epoch,
  cpuUsedCores: vm.cpuUsedCores,
  memoryUsedMiB: vm.memoryUsedMiB,
  dirtyRateMiBps: vm.dirtyRateMiBps,
  consoleTail: vm.consoleTail,
  guest: vm.guest,
  exitCode: vm.exitCode,
  migrationPolicyId: vm.migrationPolicyId,
  migrationPrediction: vm.migrationPrediction,
  migrationObstacle: vm.migrationObstacle,
  migrationCount: vm.migrationCount,
  diskHostId: vm.disks.some(({ kind }) => kind === 'local') ? vm.diskHostId : null,
  cooldownUntil: vm.cooldownUntil?.toISOString() ?? null,
  createdAt: vm.createdAt.toISOString(),
  startedAt: vm.startedAt?.toISOString() ?? null,
});

/** What an agent needs to build the machine. */
export const vmSpec = ({
  name,
  vcpus,
  memoryMiB,
  image,
  append,
  nics,
  disks,
  hypervisor,
  architecture,
}: Vm): VmSpec => ({
  name,
  vcpus,
  memoryMiB,
  image,
  append,
  nics,
  disks,
  hypervisor,
  architecture,
});
