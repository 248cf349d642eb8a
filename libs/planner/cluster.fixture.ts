/** Small clusters for tests: hosts of 4 cores and 4096 MiB, VMs of half a core and 256 MiB unless told otherwise. */
import { EvenlyDistributedParameters, type SchedulingPolicy } from '#contracts';
import type { ClusterFacts, HostFacts, Limits, Move, VmFacts } from './index.js';

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
  status: 'up',
  cpuUsedCores: 0.5,
  memoryMiB: 256,
  vcpus: 1,
  cooldownUntilMs: null,
  immovableReason: null,
  ...more,
});

/** Hosts use the CPU that their VMs use; `id` and `name` are the same. */
export function cluster(hosts: Record<string, Partial<HostFacts>>, vms: VmFacts[]): ClusterFacts {
  return {
    hosts: Object.entries(hosts).map(([id, more]) => ({
      id,
      name: id,
      status: 'up',
      cpuCores: 4,
      memoryMiB: 4096,
      cpuUsedCores: vms.filter((each) => each.hostId === id).reduce((sum, each) => sum + each.cpuUsedCores, 0),
      overUtilizedSinceMs: null,
      ...more,
    })),
    vms,
    inFlight: [],
  };
}

export const limits = (maxMigrationsPerHost: number): Limits => ({ maxMigrationsPerHost });

/** The same cluster with the moves under way. */
export const started = (facts: ClusterFacts, moves: readonly Move[]): ClusterFacts => ({
  ...facts,
  inFlight: [...facts.inFlight, ...moves],
});

/** The same cluster when the moves have arrived and loads are as they were. */
export function arrived(facts: ClusterFacts, moves: readonly Move[]): ClusterFacts {
  const moveOf = new Map(moves.map((move) => [move.vmId, move]));
  const coresGained = new Map<string, number>();
  const add = (hostId: string, cores: number) => coresGained.set(hostId, (coresGained.get(hostId) ?? 0) + cores);
  const vms = facts.vms.map((each) => {
    const move = moveOf.get(each.id);
    if (!move) return each;
    add(move.sourceHostId, -each.cpuUsedCores);
    add(move.destinationHostId, each.cpuUsedCores);
    return { ...each, hostId: move.destinationHostId };
  });
  const hosts = facts.hosts.map((host) => ({
    ...host,
    cpuUsedCores: host.cpuUsedCores + (coresGained.get(host.id) ?? 0),
  }));
  return { ...facts, hosts, vms };
}
