import type { HostView } from '#contracts';
import type { Host, HostUsage } from '#database';

export const hostView = (host: Host, usage: HostUsage): HostView => ({
  id: host.id,
  clusterId: host.clusterId,
  name: host.name,
  labels: host.labels,
  status: host.status,
  statusReason: host.statusReason,
  cpuCores: host.cpuCores,
  memoryMiB: host.memoryMiB,
  cpuUsedCores: host.cpuUsedCores,
  memoryUsedMiB: host.memoryMiB === null ? null : usage.memoryUsedMiB,
  linkMiBps: host.linkMiBps,
  networkUsedMiBps: usage.networkUsedMiBps,
  pressure: host.pressure,
  isolation: host.isolation,
  health: host.health,
  drivers: host.drivers,
  hostDevices: host.hostDevices,
  checkpoints: host.checkpoints,
  vmCount: usage.vmCount,
  migrationCount: usage.migrationCount,
  agentUrl: host.agentUrl,
  agentVersion: host.agentVersion,
  lastHeartbeatAt: host.lastHeartbeatAt?.toISOString() ?? null,
  createdAt: host.createdAt.toISOString(),
});
