/** Puts a heartbeat together from what was measured: pure. */
import type {
  CheckpointReport,
  CommandReport,
  Heartbeat,
  HostDriver,
  HostHealth,
  IsolationMeasure,
  MigrationReport,
  Pressure,
  StorageRoom,
  VmProbe,
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
  /** What the link carries; null: not known. */
  readonly linkMiBps: number | null;
  readonly isolation: readonly IsolationMeasure[];
  readonly drivers: readonly HostDriver[];
  /** Null: nothing new. */
  readonly health: HostHealth | null;
  readonly commands: readonly CommandReport[];
  readonly hostDevices: readonly string[];
  readonly probes: readonly VmProbe[];
  /** Of the other hosts that its switch knows. */
  readonly peersDigest: string | null;
  readonly storage: readonly StorageRoom[];
}

export function assembleHeartbeat(
  now: Date,
  { promisedMiB, isolation, drivers, commands, hostDevices, probes, storage, ...host }: HostFacts,
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
    commands: [...commands],
    hostDevices: [...hostDevices],
    probes: [...probes],
    storage: [...storage],
    cpuUsedCores: told.reduce((sum, vm) => sum + vm.cpuUsedCores, 0),
    memoryUsedMiB: promisedMiB,
    vms: told,
    migrations: [...migrations],
    checkpoints: [...checkpoints],
  };
}
