/** Small situations for tests: hosts of 4096 MiB that are up, one policy that holds, runs by hand unless told otherwise. */
import { CreateMaintenancePolicy, MaintenanceProcedure } from '#contracts';
import { type ClusterFacts, UNWATCHED_VM } from '#planner';
import type { HostFacts, MaintenanceFacts, MaintenanceStep, PastRun, PolicyFacts, RunFacts } from './index.js';

export const NOW = Date.parse('2026-11-21T02:30:00Z');
const NOBODY = '00000000-0000-4000-8000-000000000000';

/** Open at NOW: from 02:00 to 04:00 UTC. */
export const NIGHTLY = { cron: '0 2 * * *', timeZone: 'UTC', durationMinutes: 120 };

type VmOnHost = readonly [
  name: string,
  hostId: string,
  memoryMiB?: number,
  more?: Partial<ClusterFacts['vms'][number]>,
];

export const policy = (more: Partial<PolicyFacts> = {}): PolicyFacts => {
  const { clusterId: _, ...parsed } = CreateMaintenancePolicy.parse({
    clusterId: NOBODY,
    name: 'patch',
    windows: [NIGHTLY],
    triggers: [{ kind: 'window' }],
  });
  return { ...parsed, id: 'policy', ...more };
};

export const host = (name: string, more: Partial<HostFacts> = {}): HostFacts => ({
  id: name,
  name,
  labels: [],
  status: 'up',
  lastHeartbeatMs: NOW,
  health: null,
  healthAtMs: null,
  powerSinceMs: null,
  statusReason: '',
  failedMigrationsMs: [],
  ...more,
});

export const run = (hostId: string, more: Partial<RunFacts> = {}): RunFacts => ({
  id: `run of ${hostId}`,
  policyId: null,
  hostId,
  rolloutId: 'rollout',
  group: 1,
  hostsAtOnce: 1,
  trigger: 'manual',
  phase: 'waiting',
  phaseSinceMs: NOW - 1000,
  phaseReason: '',
  heldSinceMs: null,
  waitsForWindow: false,
  windowEndsMs: null,
  procedure: MaintenanceProcedure.parse({}),
  vms: [],
  startedMs: null,
  command: null,
  endsAs: 'done',
  ...more,
});

interface Situation {
  readonly hosts: readonly HostFacts[];
  readonly vms?: readonly VmOnHost[];
  readonly policies?: readonly PolicyFacts[];
  readonly runs?: readonly RunFacts[];
  readonly history?: readonly PastRun[];
  readonly haReservation?: number;
}

export function situation({
  hosts,
  vms = [],
  policies = [],
  runs = [],
  history = [],
  haReservation = 0,
}: Situation): MaintenanceFacts {
  return {
    policies,
    hosts,
    runs,
    history,
    schedulingPolicy: { name: 'none' },
    limits: { maxMigrationsPerHost: 2, haReservation },
    decidingSinceMs: 0,
    cluster: {
      hosts: hosts.map(({ id, name, labels, status }) => ({
        id,
        name,
        labels,
        status: status as 'up',
        cpuCores: 4,
        memoryMiB: 4096,
        networkMiBps: null,
        cpuUsedCores: 0,
        networkUsedMiBps: 0,
        pressure: null,
        overUtilizedSinceMs: null,
        power: null,
      })),
      vms: vms.map(([name, hostId, memoryMiB = 1024, more = {}]) => ({
        id: name,
        name,
        hostId,
        ...UNWATCHED_VM,
        cpuUsedCores: 0.1,
        memoryMiB,
        vcpus: 1,
        ...more,
      })),
      inFlight: [],
      affinityGroups: [],
      forecastCores: null,
    },
  };
}

/** Steps without their reasons, as short as they can be told. */
export const brief = (steps: readonly MaintenanceStep[]): string[] =>
  steps.map((step) => {
    switch (step.action) {
      case 'begin':
        return `begin ${step.hosts.map(({ hostName, group }) => `${hostName}/${group}`).join(' ')}`;
      case 'change_phase':
        return `${step.runId} ${step.to}${step.host ? ` ${step.host}` : ''}`;
      case 'move_vm':
        return `${step.runId} move ${step.vmId} to ${step.destinationHostId}`;
      default:
        return `${step.runId} ${step.action}${'vmId' in step ? ` ${step.vmId}` : ''}`;
    }
  });
