/** How long one look at a cluster takes: 1,000 hosts and 20,000 VMs on one core, and twice as many. */
import { AffinityGroup, SchedulingPolicy } from '#contracts';
import { type ClusterFacts, type HostFacts, type Plan, UNWATCHED_VM, type VmFacts, plan } from '#planner';
import { dice } from '#simulator';
import { type Section, formatFigure } from './table.js';

const HOSTS = 1000;
const VMS_PER_HOST = 20;
const TEN_GIGABIT_MIBPS = 1192;
const REPEATS = 5;
const NOW = 1_000_000_000;

const evenly = SchedulingPolicy.parse({ name: 'evenly_distributed' });
const byCount = SchedulingPolicy.parse({ name: 'vm_evenly_distributed' });
const saving = SchedulingPolicy.parse({ name: 'power_saving', parameters: { LowUtilization: 50 } });

interface Shape {
  /** > 1 crowds VMs on the first hosts. */
  readonly skew?: number;
  /** Share of the CPU that VMs use otherwise. */
  readonly load?: number;
  readonly affinityGroups?: number;
}

/** Hosts of 32 cores and 256 GiB; VMs mostly idle, some busy, as in a real datacenter. */
function randomCluster(hostCount: number, { skew = 1, load = 1, affinityGroups = 0 }: Shape): ClusterFacts {
  const random = dice(1);
  const free = Array.from({ length: hostCount }, () => 256 * 1024);
  const used = Array.from({ length: hostCount }, () => 0);
  const networkUsed = Array.from({ length: hostCount }, () => 0);
  const vms = Array.from({ length: VMS_PER_HOST * hostCount }, (_, index): VmFacts => {
    const vcpus = 1 + Math.floor(4 * random());
    const memoryMiB = 2048 * 2 ** Math.floor(4 * random());
    const cpuUsedCores = load * vcpus * random() ** 3;
    let host = Math.floor(hostCount * random() ** skew);
    while (free[host]! < memoryMiB) host = (host + 1) % hostCount;
    free[host]! -= memoryMiB;
    const networkUsedMiBps = 10 * random() ** 3;
    used[host]! += cpuUsedCores;
    networkUsed[host]! += networkUsedMiBps;
    const name = `vm-${index}`;
    return {
      ...UNWATCHED_VM,
      id: name,
      name,
      hostId: `host-${host}`,
      cpuUsedCores,
      memoryMiB,
      vcpus,
      networkUsedMiBps,
      dirtyRateMiBps: 20 * random() ** 3,
      history: {
        observedMs: 86_400_000,
        meanCores: cpuUsedCores,
        standardDeviationCores: cpuUsedCores / 10,
        recentMeanCores: cpuUsedCores,
        recentMaxCores: cpuUsedCores,
      },
    };
  });
  const hosts = used.map((cpuUsedCores, index): HostFacts => {
    const name = `host-${index}`;
    return {
      id: name,
      name,
      status: 'up',
      labels: [],
      cpuCores: 32,
      memoryMiB: 256 * 1024,
      networkMiBps: TEN_GIGABIT_MIBPS,
      cpuUsedCores,
      networkUsedMiBps: networkUsed[index]!,
      pressure: null,
      overUtilizedSinceMs: null,
      power: null,
    };
  });
  const groups = Array.from({ length: affinityGroups }, (_, index) => randomGroup(index, random, vms));
  return { hosts, vms, inFlight: [], affinityGroups: groups, forecastCores: null };
}

/** Five VMs that are to be apart or together, hard or soft. */
function randomGroup(index: number, random: () => number, vms: readonly VmFacts[]): AffinityGroup {
  const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const vmIds = Array.from({ length: 5 }, () => vms[Math.floor(vms.length * random())]!.id);
  const vmsRule = { enabled: true, positive: random() < 0.25, enforcing: random() < 0.5 };
  return { ...AffinityGroup.omit({ id: true }).parse({ name: `group-${index}` }), id, vmIds, vmsRule };
}

interface Case {
  readonly name: string;
  readonly policy: SchedulingPolicy;
  readonly shape: Shape;
  readonly haReservation?: number;
}

const CASES: readonly Case[] = [
  { name: 'VMs spread at random', policy: evenly, shape: {} },
  { name: 'crowded on some hosts', policy: evenly, shape: { skew: 2 } },
  { name: 'spread, 300 affinity groups', policy: evenly, shape: { affinityGroups: 300 } },
  { name: 'spread, one host may fail', policy: evenly, shape: {}, haReservation: 1 },
  { name: 'crowded on some hosts', policy: byCount, shape: { skew: 2 } },
  { name: 'spread, a third of the load', policy: saving, shape: { load: 1 / 3 } },
  { name: 'the same, one host may fail', policy: saving, shape: { load: 1 / 3 }, haReservation: 1 },
];

/** The plan, and the least CPU time that it took: whatever else runs only adds to it. */
function measure(hostCount: number, { policy, shape, haReservation = 0 }: Case, repeats: number) {
  const facts = randomCluster(hostCount, shape);
  const times: number[] = [];
  let made: Plan | undefined;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const before = process.cpuUsage();
    made = plan(facts, policy, { maxMigrationsPerHost: 2, haReservation }, NOW);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  return { timeMs: Math.min(...times), made: made! };
}

export function benchPlanner(isQuick: boolean): Section {
  const repeats = isQuick ? 1 : REPEATS;
  const rows = CASES.map((each) => {
    const { timeMs, made } = measure(HOSTS, each, repeats);
    const twice = measure(2 * HOSTS, each, repeats);
    return [
      each.policy.name,
      each.name,
      formatFigure(timeMs),
      formatFigure(twice.timeMs),
      formatFigure(made.moves.length),
      formatFigure(made.moves.filter(isWaiting).length),
      formatFigure(made.imbalanceBefore),
      formatFigure(made.imbalanceAfter),
    ];
  });
  return {
    columns: [
      'Policy',
      'Cluster',
      'CPU time, ms',
      'twice as large',
      'Moves',
      'of these wait for others',
      'Imbalance before',
      'after',
    ],
    rows,
    notes: [
      `CPU time of the process on one core: the least of ${repeats} plans, the first of which the compiler has yet to see.`,
      `${HOSTS} hosts and ${VMS_PER_HOST * HOSTS} VMs, and twice as many of each; up to two migrations of a host at once.`,
    ],
  };
}

const isWaiting = ({ waitsFor }: Plan['moves'][number]): boolean => waitsFor.length > 0;
