/** Small clusters for tests: hosts of 4 cores and 4096 MiB, VMs of half a core and 256 MiB unless told otherwise. */
import { AffinityGroup, EvenlyDistributedParameters, PowerSavingParameters, type SchedulingPolicy } from '#contracts';
import {
  type ClusterFacts,
  type HostFacts,
  type HostPower,
  type Limits,
  type LoadHistory,
  type Move,
  UNWATCHED_VM,
  type VmFacts,
} from './index.js';

type EvenlyDistributed = Extract<SchedulingPolicy, { name: 'evenly_distributed' }>;

export const NOW = 1_000_000_000;

export const evenly = (parameters: Partial<EvenlyDistributedParameters> = {}): EvenlyDistributed => ({
  name: 'evenly_distributed',
  parameters: EvenlyDistributedParameters.parse(parameters),
});

export const vm = (name: string, hostId: string, more: Partial<VmFacts> = {}): VmFacts => ({
  id: `id-of-${name}`,
  name,
  hostId,
  ...UNWATCHED_VM,
  cpuUsedCores: 0.5,
  memoryMiB: 256,
  vcpus: 1,
  ...more,
});

/** Hosts use the CPU and the network that their VMs use; `id` and `name` are the same. */
export function cluster(hosts: Record<string, Partial<HostFacts>>, vms: VmFacts[]): ClusterFacts {
  const usedOn = (hostId: string, of: (vm: VmFacts) => number | null) =>
    vms.filter((each) => each.hostId === hostId).reduce((sum, each) => sum + (of(each) ?? 0), 0);
  return {
    hosts: Object.entries(hosts).map(([id, more]) => ({
      id,
      name: id,
      status: 'up',
      labels: [],
      cpuCores: 4,
      memoryMiB: 4096,
      networkMiBps: null,
      networkUsedMiBps: usedOn(id, ({ networkUsedMiBps }) => networkUsedMiBps),
      pressure: null,
      power: null,
      cpuUsedCores: usedOn(id, ({ cpuUsedCores }) => cpuUsedCores),
      overUtilizedSinceMs: null,
      ...more,
    })),
    vms,
    inFlight: [],
    affinityGroups: [],
    forecastCores: null,
  };
}

export const limits = (maxMigrationsPerHost: number, haReservation = 0): Limits => ({
  maxMigrationsPerHost,
  haReservation,
});

/** The same cluster with the moves under way. */
export const started = (facts: ClusterFacts, moves: readonly Move[]): ClusterFacts => ({
  ...facts,
  inFlight: [...facts.inFlight, ...moves],
});

/** The same cluster when the moves have arrived, one after the other, and loads are as they were. */
export function arrived(facts: ClusterFacts, moves: readonly Move[]): ClusterFacts {
  const vms = new Map(facts.vms.map((each) => [each.id, each]));
  const gained = new Map<string, { cores: number; mibps: number }>();
  const add = (hostId: string, cores: number, mibps: number) => {
    const so = gained.get(hostId) ?? { cores: 0, mibps: 0 };
    gained.set(hostId, { cores: so.cores + cores, mibps: so.mibps + mibps });
  };
  for (const { vmId, sourceHostId, destinationHostId } of moves) {
    const moved = vms.get(vmId)!;
    const mibps = moved.networkUsedMiBps ?? 0;
    add(sourceHostId, -moved.cpuUsedCores, -mibps);
    add(destinationHostId, moved.cpuUsedCores, mibps);
    vms.set(vmId, { ...moved, hostId: destinationHostId });
  }
  const hosts = facts.hosts.map((host) => ({
    ...host,
    cpuUsedCores: host.cpuUsedCores + (gained.get(host.id)?.cores ?? 0),
    networkUsedMiBps: host.networkUsedMiBps + (gained.get(host.id)?.mibps ?? 0),
  }));
  return { ...facts, hosts, vms: [...vms.values()] };
}

type PowerSaving = Extract<SchedulingPolicy, { name: 'power_saving' }>;

export const saving = (parameters: Partial<PowerSavingParameters> = {}): PowerSaving => ({
  name: 'power_saving',
  parameters: PowerSavingParameters.parse(parameters),
});

/** A host's power: on for an hour, 100 W idle and 200 W busy, proven to come back. */
export const power = (more: Partial<HostPower> = {}): HostPower => ({
  wattsAt: [100, 200],
  wakeUp: 'proven',
  bootSeconds: 60,
  isParked: false,
  sinceMs: NOW - 3_600_000,
  ageYears: null,
  ...more,
});

/** A history of steady load. */
export const steadily = (cores: number, standardDeviationCores = 0): LoadHistory => ({
  observedMs: 86_400_000,
  meanCores: cores,
  standardDeviationCores,
  recentMeanCores: cores,
  recentMaxCores: cores,
});

/** An affinity group of VMs (by the names that vm() was given) and hosts, without rules unless told. */
export const group = (name: string, vms: string[], more: Partial<AffinityGroup> = {}): AffinityGroup => ({
  ...AffinityGroup.omit({ id: true }).parse({ name }),
  id: `id-of-${name}`,
  vmIds: vms.map((each) => `id-of-${each}`),
  ...more,
});

export const rule = (positive: boolean, enforcing: boolean) => ({ enabled: true, positive, enforcing });
