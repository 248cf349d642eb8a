/** How long one look at a cluster takes: 1,000 hosts and 20,000 VMs on one core. */
import { SchedulingPolicy } from '#contracts';
import { type ClusterFacts, type HostFacts, type Plan, UNWATCHED_VM, type VmFacts, plan } from '#planner';

const HOSTS = 1000;
const VMS = 20_000;
const TEN_GIGABIT_MIBPS = 1192;
const REPEATS = 5;
const NOW = 1_000_000_000;

const evenly = SchedulingPolicy.parse({ name: 'evenly_distributed' });

/** Numbers in [0, 1) from a seed: the minimal standard generator with the multiplier 48271 (Park and Miller, 1993). */
function dice(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = seed;
  return () => {
    state = (state * 48_271) % modulus;
    return state / modulus;
  };
}

/**
 * Hosts of 32 cores and 256 GiB; VMs mostly idle, some busy, as in a real datacenter. `skew` > 1 crowds them on the
 * first hosts.
 */
function randomCluster(seed: number, skew: number): ClusterFacts {
  const random = dice(seed);
  const free = Array.from({ length: HOSTS }, () => 256 * 1024);
  const used = Array.from({ length: HOSTS }, () => 0);
  const networkUsed = Array.from({ length: HOSTS }, () => 0);
  const vms = Array.from({ length: VMS }, (_, index): VmFacts => {
    const vcpus = 1 + Math.floor(4 * random());
    const memoryMiB = 2048 * 2 ** Math.floor(4 * random());
    const cpuUsedCores = vcpus * random() ** 3;
    let host = Math.floor(HOSTS * random() ** skew);
    while (free[host]! < memoryMiB) host = (host + 1) % HOSTS;
    free[host]! -= memoryMiB;
    const networkUsedMiBps = 10 * random() ** 3;
    used[host]! += cpuUsedCores;
    networkUsed[host]! += networkUsedMiBps;
    const name = `vm-${index}`;
    const hostId = `host-${host}`;
    return {
      ...UNWATCHED_VM,
      id: name,
      name,
      hostId,
      cpuUsedCores,
      memoryMiB,
      vcpus,
      networkUsedMiBps,
      dirtyRateMiBps: 20 * random() ** 3,
    };
  });
  const hosts = used.map((cpuUsedCores, index): HostFacts => {
    const name = `host-${index}`;
    const memoryMiB = 256 * 1024;
    return {
      id: name,
      name,
      status: 'up',
      labels: [],
      cpuCores: 32,
      memoryMiB,
      networkMiBps: TEN_GIGABIT_MIBPS,
      cpuUsedCores,
      networkUsedMiBps: networkUsed[index]!,
      pressure: null,
      overUtilizedSinceMs: null,
      power: null,
    };
  });
  return { hosts, vms, inFlight: [], affinityGroups: [], forecastCores: null };
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** CPU time of a plan (whatever else runs only adds to it, so the least counts), and what the plan does. */
export function benchPlanner(): Figure[] {
  const cases = { 'spread at random': randomCluster(1, 1), 'crowded on some hosts': randomCluster(2, 2) };
  return Object.entries(cases).flatMap(([name, facts]) => {
    const times: number[] = [];
    let made: Plan | undefined;
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const before = process.cpuUsage();
      made = plan(facts, evenly, { maxMigrationsPerHost: 2, haReservation: 0 }, NOW);
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1000);
    }
    const of = `planner, ${HOSTS} hosts, ${VMS} VMs ${name}`;
    return [
      { name: `${of}: CPU time`, value: Math.min(...times), unit: 'ms' },
      { name: `${of}: moves`, value: made!.moves.length, unit: 'moves' },
      { name: `${of}: moves that wait for others`, value: made!.moves.filter(isWaiting).length, unit: 'moves' },
      { name: `${of}: imbalance before`, value: made!.imbalanceBefore, unit: 'points' },
      { name: `${of}: imbalance after`, value: made!.imbalanceAfter, unit: 'points' },
    ];
  });
}

const isWaiting = ({ waitsFor }: Plan['moves'][number]): boolean => waitsFor.length > 0;
