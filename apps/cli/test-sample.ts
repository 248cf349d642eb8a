/** For tests: the small datacenter that the tests' controller tells of. */
import {
  AffinityGroupView,
  ClusterPolicyVersion,
  ClusterView,
  EnergyView,
  EventView,
  HostPowerView,
  HostView,
  MigrationDetail,
  MigrationPolicyView,
  PlanView,
  StorageDomainView,
  VmView,
  WhatIfView,
} from '#contracts';
import { at, id } from './test-answers.js';

export const cluster = ClusterView.parse({
  id: id(1),
  name: 'demo',
  description: '',
  schedulingPolicy: { name: 'evenly_distributed', parameters: { HighUtilization: 70 } },
  migrationPolicyId: id(2),
  cooldownSeconds: 60,
  maxMigrationsPerHost: 2,
  createdAt: at,
});
export const versions = [
  { version: 2, policy: { cooldownSeconds: 60, planMode: 'manual' }, changedBy: 'ada', changedAt: at },
  { version: 1, policy: { cooldownSeconds: 60, planMode: 'automatic' }, changedBy: 'administrator', changedAt: at },
].map((version) => ClusterPolicyVersion.parse(version));
export const migrationPolicy = MigrationPolicyView.parse({
  id: id(2),
  name: 'gentle',
  description: '',
  downtimeLimitMs: 300,
  bandwidthMiBps: 32,
  timeoutSeconds: 600,
  convergence: { means: [{ means: 'throttle' }, { means: 'post_copy' }] },
  createdAt: at,
});
export const hosts = [1, 2].map((n) =>
  HostView.parse({
    id: id(10 + n),
    clusterId: id(1),
    name: `host-${n}`,
    status: 'up',
    statusReason: '',
    cpuCores: 4,
    memoryMiB: 1024,
    cpuUsedCores: 1,
    memoryUsedMiB: 512,
    pressure: null,
    isolation: [
      { measure: 'own_user', inForce: true, reason: '' },
      { measure: 'limits', inForce: false, reason: 'there are no control groups' },
    ],
    drivers: [
      { hypervisor: 'drover', architecture: 'riscv64', accelerator: 'drover', version: '0.1.0' },
      { hypervisor: 'qemu', architecture: 'x86_64', accelerator: 'kvm', version: '7.2.22' },
    ],
    vmCount: 3,
    migrationCount: 0,
    agentUrl: null,
    agentVersion: '0.1.0',
    lastHeartbeatAt: at,
    createdAt: at,
  }),
);
export const power = HostPowerView.parse({
  ...{ hostId: id(11), hasPassword: true, wakeUp: 'proven', provenAt: at, bootSeconds: 94, isParked: false },
  management: { type: 'fence_agent', agent: 'fence_ipmilan', address: 'bmc-1', username: 'drover' },
  ...{ boots: [{ at, seconds: 94 }], powerSince: at, operation: null, wattsAt: [100, 200], offWatts: 5 },
  ...{ measuredWatts: null, inServiceSince: null },
});
export const energy = EnergyView.parse({
  ...{ from: '2026-01-01', to: '2026-01-07', usedKWh: 2, savedKWh: 0.5 },
  days: [
    {
      ...{ day: '2026-01-02', hostId: id(11), hostName: 'host-1', clusterId: id(1) },
      ...{ usedKWh: 2, savedKWh: 0.5, measuredKWh: 0, onHours: 18, offHours: 6 },
    },
  ],
});
export const storageDomain = StorageDomainView.parse({
  ...{ id: id(50), clusterId: id(1), name: 'fast', kind: 'local', path: 'disks' },
  ...{ diskCount: 1, diskMiB: 2048, createdAt: at },
});
export const vm = VmView.parse({
  id: id(20),
  name: 'web-1',
  clusterId: id(1),
  hostId: id(11),
  vcpus: 1,
  memoryMiB: 128,
  image: 'pager',
  append: 'rate=1',
  nics: [{ network: 'lan', mac: '52:54:00:12:34:56' }],
  disks: [
    {
      ...{ name: 'system', sizeMiB: 2048, sourceImage: 'debian' },
      ...{ storageDomainId: id(50), storageDomain: 'fast', kind: 'local', path: 'disks' },
    },
  ],
  diskHostId: id(11),
  hypervisor: 'drover',
  architecture: 'riscv64',
  status: 'up',
  statusReason: '',
  epoch: 1,
  cpuUsedCores: 0.25,
  memoryUsedMiB: 80,
  dirtyRateMiBps: 1,
  guest: { hostName: 'web', ipAddresses: ['10.0.0.7', '2001:db8::7'] },
  consoleTail: 'one\n\x1b[31mtwo\n',
  exitCode: null,
  migrationPolicyId: null,
  migrationCount: 4,
  cooldownUntil: null,
  createdAt: at,
  startedAt: at,
});
export const migration = MigrationDetail.parse({
  id: id(30),
  vmId: vm.id,
  vmName: 'web-1',
  ordinal: 5,
  sourceHostId: id(11),
  sourceHostName: 'host-1',
  destinationHostId: id(12),
  destinationHostName: 'host-2',
  status: 'completed',
  trigger: 'manual',
  reason: 'asked for',
  planId: null,
  epoch: 2,
  progress: {
    ...{ totalBytes: 2 ** 26, transferredBytes: 2 ** 25, remainingBytes: 0, iteration: 3 },
    ...{ bandwidthMiBps: 100, dirtyRateMiBps: 20, expectedDowntimeMs: null, multifdBytes: 2 ** 24 },
    ...{ xbzrle: { pages: 512, bytes: 2 ** 18, misses: 9 }, compression: { pages: 256, bytes: 2 ** 19 } },
  },
  downtimeMs: 12.5,
  totalMs: 850,
  error: null,
  createdAt: at,
  startedAt: at,
  endedAt: at,
  iterations: [],
  downtimeBreakdown: null,
  convergence: {},
  decisions: [],
  versions: null,
  timeline: [{ at, status: 'completed', message: 'runs on host-2' }],
});
export const plan = PlanView.parse({
  id: id(40),
  clusterId: id(1),
  kind: 'dry_run',
  policy: cluster.schedulingPolicy,
  imbalanceBefore: 40,
  imbalanceAfter: 4,
  summary: 'one move',
  moves: [
    {
      vmId: vm.id,
      vmName: 'web-1',
      sourceHostId: id(11),
      sourceHostName: 'host-1',
      destinationHostId: id(12),
      destinationHostName: 'host-2',
      reason: 'host-1 is the fullest',
      gain: 36,
      migrationId: null,
    },
  ],
  refusals: [{ vmId: id(21), vmName: 'web-2', hostId: null, hostName: null, reason: 'moved a moment ago' }],
  createdAt: at,
});
export const proposal = PlanView.parse({ ...plan, id: id(41), kind: 'proposed', status: 'waiting' });
export const whatIf = WhatIfView.parse({
  ...plan,
  wattsBefore: 300,
  wattsAfter: 210,
  placements: [{ vmName: 'web', hostId: id(12), hostName: 'host-2', reason: 'most memory is free there' }],
  hostActions: [{ hostId: id(11), hostName: 'host-1', action: 'power_off', reason: 'host-1 is empty', savedWatts: 90 }],
});
export const affinityGroup = AffinityGroupView.parse({
  ...{ id: id(70), clusterId: id(1), name: 'db', vmIds: [vm.id], hostLabels: ['ssd'], violations: [], createdAt: at },
  vmsRule: { enabled: true, positive: false, enforcing: true },
});
export const event = (n: number, severity = 'info') =>
  EventView.parse({
    id: String(n),
    at,
    severity,
    type: 'host.up',
    message: `event ${n}`,
    clusterId: null,
    hostId: null,
    vmId: null,
    migrationId: null,
    planId: null,
  });
