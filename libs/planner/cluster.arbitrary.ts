/** Random clusters and policies, for properties. */
import * as fc from 'fast-check';
import { type HostStatus, type SchedulingPolicy, type VmStatus, VmEvenlyDistributedParameters } from '#contracts';
import { NOW, cluster, evenly, group, saving, steadily, vm } from './cluster.fixture.js';
import type { ClusterFacts, HostFacts, VmFacts } from './index.js';

const hostStatus = fc.oneof(
  { weight: 8, arbitrary: fc.constant<HostStatus>('up') },
  { weight: 2, arbitrary: fc.constant<HostStatus>('preparing_for_maintenance') },
  { weight: 1, arbitrary: fc.constantFrom<HostStatus>('maintenance', 'non_responsive', 'installing') },
);
const vmStatus = fc.oneof(
  { weight: 10, arbitrary: fc.constant<VmStatus>('up') },
  { weight: 1, arbitrary: fc.constantFrom<VmStatus>('paused', 'starting', 'stopping', 'unknown', 'migrating', 'down') },
);
const hostShape = fc.record({
  status: hostStatus,
  cpuCores: fc.constantFrom(2, 4, 8),
  memoryMiB: fc.constantFrom(2048, 4096, 8192),
  overUtilizedSinceMs: fc.constantFrom(null, NOW - 60_000, NOW - 600_000),
  linkMiBps: fc.constantFrom(112, 280, 1120),
});
const vmShape = fc.record({
  host: fc.nat(),
  status: vmStatus,
  cpuUsedCores: fc.integer({ min: 0, max: 80 }).map((hundredths) => hundredths / 100),
  memoryMiB: fc.constantFrom(64, 128, 256, 512, 1000),
  cooldownUntilMs: fc.constantFrom(null, null, null, NOW - 1, NOW, NOW + 1, NOW + 60_000),
  immovableDice: fc.nat(9),
  networkUsedMiBps: fc.constantFrom(null, 0, 0, 5, 20, 60),
});

/** A cluster whose hosts are not over-filled to begin with, some of its VMs on their way. */
export const facts: fc.Arbitrary<ClusterFacts> = fc
  .record({
    hosts: fc.array(hostShape, { minLength: 1, maxLength: 7 }),
    vms: fc.array(vmShape, { maxLength: 40 }),
    moving: fc.array(fc.record({ vm: fc.nat(), host: fc.nat() }), { maxLength: 3 }),
    /** Of how many hosts it is known how fast their links are: only if it is of all do links count in scores. */
    links: fc.constantFrom(0, 2, Infinity),
  })
  .map(({ hosts, vms, moving, links }) => {
    const free = hosts.map((host) => host.memoryMiB);
    const placed: VmFacts[] = [];
    vms.forEach((shape, index) => {
      const host = shape.host % hosts.length;
      if (free[host]! < shape.memoryMiB) return;
      free[host]! -= shape.memoryMiB;
      const { status, memoryMiB, cooldownUntilMs, networkUsedMiBps } = shape;
      const cpuUsedCores = status === 'down' ? 0 : shape.cpuUsedCores;
      const immovableReason = shape.immovableDice === 0 ? 'pinned' : null;
      const name = `v${index}`;
      const own = { id: name, status, cpuUsedCores, networkUsedMiBps, memoryMiB, cooldownUntilMs, immovableReason };
      placed.push(vm(name, `h${host}`, own));
    });
    const shapes = hosts.map(({ linkMiBps, ...host }, index): [string, Partial<HostFacts>] => [
      `h${index}`,
      { ...host, networkMiBps: index < links ? linkMiBps : null },
    ]);
    const built = cluster(Object.fromEntries(shapes), placed);
    const inFlight = new Map<string, ClusterFacts['inFlight'][number]>();
    for (const { vm: place, host } of moving) {
      const source = placed[place % Math.max(1, placed.length)];
      const destination = host % hosts.length;
      if (
        !source ||
        source.hostId === `h${destination}` ||
        free[destination]! < source.memoryMiB ||
        inFlight.has(source.id)
      )
        continue;
      free[destination]! -= source.memoryMiB;
      inFlight.set(source.id, { vmId: source.id, sourceHostId: source.hostId, destinationHostId: `h${destination}` });
    }
    return { ...built, inFlight: [...inFlight.values()] };
  });

/** Clusters in which little is free: what single moves cannot do, chains and exchanges may. */
export const crowdedFacts: fc.Arbitrary<ClusterFacts> = fc
  .record({
    leaves: fc.boolean(),
    hosts: fc.array(fc.constantFrom(1024, 1280, 2048), { minLength: 2, maxLength: 6 }),
    vms: fc.array(
      fc.record({
        memoryMiB: fc.constantFrom(128, 256, 512, 768),
        hundredths: fc.integer({ min: 0, max: 120 }),
      }),
      { minLength: 4, maxLength: 24 },
    ),
  })
  .map(({ leaves, hosts, vms }) => {
    const free = [...hosts];
    const placed: VmFacts[] = [];
    vms.forEach(({ memoryMiB, hundredths }, index) => {
      const host = free.findIndex((left) => left >= memoryMiB); // the first hosts are full
      if (host < 0) return;
      free[host]! -= memoryMiB;
      placed.push(vm(`v${index}`, `h${host}`, { id: `v${index}`, memoryMiB, cpuUsedCores: hundredths / 100 }));
    });
    const shapes = hosts.map((memoryMiB, index) => [
      `h${index}`,
      { memoryMiB, status: leaves && index === 0 ? ('preparing_for_maintenance' as const) : ('up' as const) },
    ]);
    return cluster(Object.fromEntries(shapes) as Record<string, object>, placed);
  });

export const parameters = fc.record({
  HighUtilization: fc.integer({ min: 30, max: 100 }),
  ImbalanceThreshold: fc.integer({ min: 0, max: 20 }),
  MinimumGain: fc.constantFrom(0, 0.5, 1, 5),
  MaxFreeMemoryForOverUtilized: fc.constantFrom(0, 128, 512),
});
export const anyPolicy = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ name: 'none' } as const) },
  { weight: 9, arbitrary: parameters.map(evenly) },
);
export const anyLimit = fc.integer({ min: 1, max: 6 });

const affinityRule = fc.record({ enabled: fc.boolean(), positive: fc.boolean(), enforcing: fc.boolean() });
const someGroup = fc.record({
  priority: fc.integer({ min: 1, max: 3 }),
  vmsRule: affinityRule,
  hostsRule: affinityRule,
  vms: fc.uniqueArray(fc.nat(12), { maxLength: 4 }),
  hosts: fc.uniqueArray(fc.nat(6), { maxLength: 3 }),
});

/** The same kind of cluster with affinity groups, which may contradict each other, and histories of load. */
export const ruledFacts: fc.Arbitrary<ClusterFacts> = fc
  .record({
    state: facts,
    groups: fc.array(someGroup, { maxLength: 3 }),
    deviations: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 40, maxLength: 40 }),
  })
  .map(({ state, groups, deviations }) => ({
    ...state,
    vms: state.vms.map((each, index) => ({ ...each, history: steadily(each.cpuUsedCores, deviations[index]! / 100) })),
    affinityGroups: groups.map(({ vms, hosts, ...more }, index) => ({
      ...group(`g${index}`, []),
      ...more,
      vmIds: vms.map((number) => `v${number}`),
      hostIds: hosts.map((number) => `h${number}`),
    })),
  }));

/** Every policy that moves VMs for load, and one that does not. */
export const anyOfAllPolicies: fc.Arbitrary<SchedulingPolicy> = fc.oneof(
  anyPolicy,
  fc
    .record({ HighVmCount: fc.integer({ min: 1, max: 8 }), MigrationThreshold: fc.integer({ min: 2, max: 5 }) })
    .map((some) => ({
      name: 'vm_evenly_distributed' as const,
      parameters: VmEvenlyDistributedParameters.parse(some),
    })),
  fc
    .record({
      HighUtilization: fc.integer({ min: 50, max: 100 }),
      LowUtilization: fc.integer({ min: 10, max: 70 }),
      PeakDeviations: fc.constantFrom(0, 1, 2),
      HorizonMinutes: fc.constantFrom(1, 30),
    })
    .map(saving),
);
