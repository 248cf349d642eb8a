/** Puts a heartbeat together from what was measured: pure. */
import type {
  CheckpointReport,
  Heartbeat,
  HostDriver,
  IsolationMeasure,
  MigrationReport,
  Pressure,
  VmReport,
} from '#contracts';

export interface HostFacts {
  readonly agentUrl: string;
  readonly agentVersion: string;
  readonly tunnelAddress: string | null;
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** Promised to the VMs that are here or arrive. */
  readonly promisedMiB: number;
  readonly pressure: Pressure | null;
  readonly isolation: readonly IsolationMeasure[];
  readonly drivers: readonly HostDriver[];
}

export function assembleHeartbeat(
  now: Date,
  { promisedMiB, isolation, drivers, ...host }: HostFacts,
  vms: readonly (VmReport | null)[],
  migrations: readonly MigrationReport[],
  checkpoints: readonly CheckpointReport[],
): Heartbeat {
  const told = vms.filter((vm) => vm !== null);
  return {
    sentAt: now.toISOString(),
    ...host,
    isolation: [...isolation],
    drivers: [...drivers],
    cpuUsedCores: told.reduce((sum, vm) => sum + vm.cpuUsedCores, 0),
    memoryUsedMiB: promisedMiB,
    vms: told,
    migrations: [...migrations],
    checkpoints: [...checkpoints],
  };
}
