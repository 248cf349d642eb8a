/** For tests: a real HTTP server with one small datacenter, which answers, and takes what it is sent, as the contracts say. */
import { createServer, type ServerResponse } from 'node:http';
import {
  ClusterPolicyVersion,
  CheckAffinityGroup,
  ClusterView,
  CreateStorageDomain,
  CreateVm,
  DeactivateHost,
  DecidePlan,
  EnergyView,
  EventView,
  HostPowerView,
  HostView,
  MigrateVm,
  MigrationDetail,
  MigrationPolicyView,
  OrderPower,
  PlanView,
  SetPowerManagement,
  StorageDomainView,
  UpdateCluster,
  UpdateMigrationPolicy,
  UpdateVm,
  VmView,
  WhatIf,
  WhatIfView,
} from '#contracts';
import { at, type Exchange, found, id, pageOf, problem, taken } from './test-answers.js';
import { answerAboutMaintenance } from './test-maintenance.js';

export const TOKEN = 'a-token';

const cluster = ClusterView.parse({
  id: id(1),
  name: 'demo',
  description: '',
  schedulingPolicy: { name: 'evenly_distributed', parameters: { HighUtilization: 70 } },
  migrationPolicyId: id(2),
  cooldownSeconds: 60,
  maxMigrationsPerHost: 2,
  createdAt: at,
});
const versions = [
  { version: 2, policy: { cooldownSeconds: 60, planMode: 'manual' }, changedBy: 'ada', changedAt: at },
  { version: 1, policy: { cooldownSeconds: 60, planMode: 'automatic' }, changedBy: 'administrator', changedAt: at },
].map((version) => ClusterPolicyVersion.parse(version));
const migrationPolicy = MigrationPolicyView.parse({
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
const power = HostPowerView.parse({
  ...{ hostId: id(11), hasPassword: true, wakeUp: 'proven', provenAt: at, bootSeconds: 94, isParked: false },
  management: { type: 'fence_agent', agent: 'fence_ipmilan', address: 'bmc-1', username: 'drover' },
  ...{ boots: [{ at, seconds: 94 }], powerSince: at, operation: null, wattsAt: [100, 200], offWatts: 5 },
  ...{ measuredWatts: null, inServiceSince: null },
});
const energy = EnergyView.parse({
  ...{ from: '2026-01-01', to: '2026-01-07', usedKWh: 2, savedKWh: 0.5 },
  days: [
    {
      ...{ day: '2026-01-02', hostId: id(11), hostName: 'host-1', clusterId: id(1) },
      ...{ usedKWh: 2, savedKWh: 0.5, measuredKWh: 0, onHours: 18, offHours: 6 },
    },
  ],
});
const storageDomain = StorageDomainView.parse({
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
const migration = MigrationDetail.parse({
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
const plan = PlanView.parse({
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
const proposal = PlanView.parse({ ...plan, id: id(41), kind: 'proposed', status: 'waiting' });
const whatIf = WhatIfView.parse({
  ...plan,
  wattsBefore: 300,
  wattsAfter: 210,
  placements: [{ vmName: 'web', hostId: id(12), hostName: 'host-2', reason: 'most memory is free there' }],
  hostActions: [{ hostId: id(11), hostName: 'host-1', action: 'power_off', reason: 'host-1 is empty', savedWatts: 90 }],
});
const event = (n: number, severity = 'info') =>
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

/** What tests change: the VM as it is asked for by id, and its console; undefined between two hosts. */
export const now: { vm: Partial<VmView>; console: string | undefined } = { vm: {}, console: 'one\ntwo\n' };
/** Every request, in order. */
export const seen: Exchange[] = [];
/** Event streams that clients listen to. */
export const open: ServerResponse[] = [];

/** Events 1 to 5, newest first, in pages of two. */
function eventPage(url: URL) {
  const newest = Number(url.searchParams.get('cursor') ?? 5);
  const items = [newest, newest - 1].filter((n) => n > 0).map((n) => event(n));
  return found({ items, nextCursor: newest > 2 ? String(newest - 2) : null });
}

function answerTo(exchange: Exchange): { status: number; body: unknown } {
  const { method, url, body, actor } = exchange;
  switch (`${method} ${url.pathname.replace('/api/v1', '')}`) {
    case 'GET /clusters':
      return pageOf([cluster], url);
    case `PATCH /clusters/${cluster.id}`:
      return taken(UpdateCluster, body, { ...cluster, ...(body as object) });
    case `POST /clusters/${cluster.id}/what-if`:
      return taken(WhatIf, body, whatIf);
    case 'POST /affinity-groups/check':
      return taken(CheckAffinityGroup, body, {
        violations: [{ vmId: vm.id, vmName: 'web-1', isHard: true, reason: 'web-2 is on host-1, too' }],
        conflicts: [],
      });
    case `GET /clusters/${cluster.id}/versions`:
      return found({ items: versions, nextCursor: null });
    case `POST /clusters/${cluster.id}/plan`:
      return found(plan);
    case 'GET /plans':
      return pageOf([proposal], url);
    case `POST /plans/${proposal.id}/approve`:
      return taken(DecidePlan, body, {
        ...proposal,
        status: 'running',
        moves: proposal.moves.map((move) => ({ ...move, state: 'approved', decidedBy: actor })),
      });
    case 'GET /migration-policies':
      return pageOf([migrationPolicy], url);
    case `PATCH /migration-policies/${migrationPolicy.id}`:
      return taken(UpdateMigrationPolicy, body, { ...migrationPolicy, ...(body as object) });
    case 'GET /hosts':
      return pageOf(hosts, url);
    case `GET /hosts/${id(11)}`:
      return found(hosts[0]);
    case `POST /hosts/${id(11)}/deactivate`:
      return taken(DeactivateHost, body, { ...hosts[0], status: 'preparing_for_maintenance' });
    case `POST /hosts/${id(12)}/activate`:
      return problem(409, 'Conflict', 'host-2 is up');
    case `GET /hosts/${id(11)}/power`:
      return found(power);
    case `PUT /hosts/${id(11)}/power-management`:
      return taken(SetPowerManagement, body, power);
    case `POST /hosts/${id(11)}/power/status`:
      return found({ status: 'off' });
    case `POST /hosts/${id(11)}/power/test`:
      return taken(OrderPower, body, { ...power, operation: null });
    case 'GET /energy':
      return found(energy);
    case 'GET /storage-domains':
      return pageOf([storageDomain], url);
    case 'POST /storage-domains':
      return taken(CreateStorageDomain, body, storageDomain);
    case 'GET /vms':
      return pageOf([vm], url);
    case 'POST /vms':
      return taken(CreateVm, body, vm);
    case `POST /vms/${vm.id}/migrate`:
      return taken(MigrateVm, body, migration);
    case `PATCH /vms/${vm.id}`:
      return taken(UpdateVm, body, { ...vm, ...(body as object) });
    case `GET /vms/${vm.id}`:
      return found({ ...vm, ...now.vm });
    case `GET /vms/${vm.id}/console`: {
      const offset = Number(url.searchParams.get('offset'));
      if (now.console === undefined) return problem(409, 'Conflict', 'VM web-1 is not on host-1');
      return found({
        offset,
        next: Math.min(offset + 4, now.console.length),
        text: now.console.slice(offset, offset + 4),
      });
    }
    case 'GET /migrations':
      return pageOf([migration], url);
    case `GET /migrations/${migration.id}`:
      return found(migration);
    case 'GET /events':
      return eventPage(url);
    default:
      return answerAboutMaintenance(exchange) ?? problem(404, 'Not Found', 'there is no such thing');
  }
}

/** Not listening yet. */
export const server = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    const exchange: Exchange = {
      method: request.method!,
      url: new URL(request.url!, 'http://x'),
      lastEventId: request.headers['last-event-id'] as string | undefined,
      actor: request.headers['drover-actor'] as string | undefined,
      body: text ? (JSON.parse(text) as unknown) : undefined,
    };
    seen.push(exchange);
    const authorized = request.headers.authorization === `Bearer ${TOKEN}`;
    if (authorized && exchange.url.pathname === '/api/v1/events/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const next of [event(6), event(7, 'error')])
        response.write(`event: event\nid: ${next.id}\ndata: ${JSON.stringify(next)}\n\n`);
      return open.push(response);
    }
    const { status, body } = authorized ? answerTo(exchange) : problem(401, 'Unauthorized', 'the token is not valid');
    return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
});
