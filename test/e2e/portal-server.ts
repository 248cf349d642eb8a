/**
 * Serves the built portal and just enough of the API, from memory, for looking at the portal by itself: a sample
 * datacenter with an event stream. The same pages run against the real controller.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import {
  type AffinityCheck,
  type AffinityGroupView,
  CheckAffinityGroup,
  ClusterView,
  CreateStorageDomain,
  CreateVm,
  DeactivateHost,
  EnergyView,
  EventView,
  HostPowerView,
  HostView,
  MigrationHop,
  type MigrationLogLine,
  type MigrationPrediction,
  MigrationView,
  PlanView,
  SetPowerManagement,
  UpdateAffinityGroup,
  UpdateCluster,
  VmView,
  WhatIf,
  WhatIfView,
} from '#contracts';
import { z } from 'zod';
import { type Kind, SampleDatacenter } from './portal-sample.js';

export const PORTAL = join(import.meta.dirname, '..', '..', 'dist', 'portal');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const LOG: MigrationLogLine[] = [
  ...(['controller', 'source', 'destination'] as const).map((side) => ({
    at: '2026-01-01T00:00:00.000Z',
    side,
    from: side === 'controller' ? ('controller' as const) : ('agent' as const),
    level: 'info',
    message: `what the ${side} said`,
  })),
  { at: null, side: 'source', from: 'vmm', level: 'info', message: 'a line of the VMM' },
];
const iso = () => new Date().toISOString();

const VIEWS = {
  cluster: ClusterView,
  host: HostView,
  vm: VmView,
  migration: MigrationView,
  plan: PlanView,
  event: EventView,
};

/** An answer that is not a success. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly errors: { field: string; message: string }[] = [],
  ) {
    super(detail);
  }
}

export class PortalServer extends SampleDatacenter {
  readonly token = 'portal-test-token';
  /** Power managements that were set. */
  readonly managements: SetPowerManagement[] = [];
  readonly affinityGroups: AffinityGroupView[] = [];
  /** What was typed into consoles. */
  readonly typed: string[] = [];
  /** As a proxy does while the controller is away. */
  refusesStreams = false;
  private readonly streams = new Set<ServerResponse>();
  private readonly server = createServer((request, response) => void this.answer(request, response));

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.fill();
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** Cuts every event stream, as a restart of the controller does. */
  cutStreams(): void {
    for (const stream of this.streams) stream.destroy();
  }

  /** Tells every listener of a view's new state, which must keep the contract. */
  protected override tell(kind: Kind, view: { id: string }): void {
    const data = VIEWS[kind].parse(view);
    const id = kind === 'event' ? `id: ${view.id}\n` : '';
    for (const stream of this.streams) stream.write(`event: ${kind}\n${id}data: ${JSON.stringify(data)}\n\n`);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://portal');
    try {
      if (!url.pathname.startsWith('/api/')) return this.file(url.pathname, response);
      if (request.headers.authorization !== `Bearer ${this.token}`)
        throw new Refusal(401, 'Unauthorized', 'the token is not known');
      if (url.pathname === '/api/v1/events/stream') return this.stream(response);
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const path = url.pathname.replace('/api/v1/', '').split('/');
      const result = this.route(request.method!, path, url.searchParams, text ? JSON.parse(text) : {});
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result ?? {}));
    } catch (error) {
      const problem =
        error instanceof Refusal
          ? error
          : error instanceof z.ZodError
            ? new Refusal(
                400,
                'Bad Request',
                'the request is not valid',
                error.issues.map(({ path, message }) => ({ field: path.join('.'), message })),
              )
            : new Refusal(500, 'Internal Server Error', String(error));
      const { status, title, detail, errors } = problem;
      response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ type: 'about:blank', status, title, detail, errors }));
    }
  }

  /** A file of the portal; any other path is a page of it. */
  private file(path: string, response: ServerResponse): void {
    const found = extname(path) !== '' && existsSync(join(PORTAL, path)) ? path : '/index.html';
    response.writeHead(200, {
      'content-type': TYPES[extname(found)] ?? 'application/octet-stream',
      'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    });
    response.end(readFileSync(join(PORTAL, found)));
  }

  private stream(response: ServerResponse): void {
    if (this.refusesStreams) throw new Refusal(503, 'Service Unavailable', 'the controller is away');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  private route(method: string, path: string[], query: URLSearchParams, body: unknown): unknown {
    const [resource, id, action] = path;
    const found = <T extends { id: string }>(items: T[]): T => {
      const item = items.find((one) => one.id === id);
      if (!item) throw new Refusal(404, 'Not Found', `there is no ${resource} ${id}`);
      return item;
    };
    const lists: Record<string, { id: string }[]> = {
      clusters: this.clusters,
      hosts: this.hosts,
      vms: this.vms,
      migrations: this.migrations,
      plans: this.plans,
      events: this.events,
      'migration-policies': this.migrationPolicies,
      'storage-domains': this.storageDomains,
      'affinity-groups': this.affinityGroups,
    };
    if (resource === 'energy') return energyOf(this.hosts, query.get('from')!);
    if (resource === 'me') return { name: 'admin' };
    const list = lists[resource!];
    if (!list) throw new Refusal(404, 'Not Found', 'no such route');
    if (method === 'GET' && !id) return pageOf(list, query);
    if (method === 'GET' && action === 'console') return this.console(found(this.vms), Number(query.get('offset')));
    if (method === 'GET' && action === 'power') return powerOf(found(this.hosts));
    if (method === 'GET' && action === 'migrations') return pageOf(this.hopsOf(found(this.vms)), query);
    if (method === 'GET' && action === 'migration-prediction') return this.predict(found(this.vms));
    if (method === 'GET' && action === 'log') return { lines: LOG };
    if (method === 'GET' && action === 'versions') return { items: [], nextCursor: null };
    if (method === 'GET') return found(list);
    switch (`${method} ${resource} ${action ?? ''}`.trim()) {
      case 'PATCH clusters':
        Object.assign(found(this.clusters), UpdateCluster.parse(body));
        this.tell('cluster', found(this.clusters));
        return found(this.clusters);
      case 'POST clusters plan':
        return this.planFor(
          found(this.clusters),
          'dry_run',
          (body as { schedulingPolicy?: ClusterView['schedulingPolicy'] }).schedulingPolicy,
        );
      case 'POST clusters what-if':
        return this.suppose(found(this.clusters), WhatIf.parse(body));
      case 'POST affinity-groups':
        return checkOf(CheckAffinityGroup.parse(body), this.vms); // the path's last part is "check"
      case 'PATCH affinity-groups':
        return Object.assign(found(this.affinityGroups), UpdateAffinityGroup.parse(body));
      case 'POST hosts':
        return this.addHost(body as { name: string; clusterId: string });
      case 'POST hosts deactivate':
        return this.deactivate(found(this.hosts), DeactivateHost.parse(body).reason);
      case 'POST hosts activate':
        Object.assign(found(this.hosts), { status: 'up', statusReason: '' });
        this.tell('host', found(this.hosts));
        return found(this.hosts);
      case 'PUT hosts power-management':
        this.managements.push(SetPowerManagement.parse(body));
        return powerOf(found(this.hosts));
      case 'POST vms':
        return this.addVm(CreateVm.parse(body));
      case 'POST storage-domains': {
        const { clusterId, name, kind, path: folder } = CreateStorageDomain.parse(body);
        const domain = {
          id: randomUUID(),
          clusterId,
          name,
          kind,
          path: folder,
          diskCount: 0,
          diskMiB: 0,
          createdAt: iso(),
        };
        this.storageDomains.push(domain);
        return domain;
      }
      case 'POST vms migrate': {
        const { destinationHostId, reason } = body as { destinationHostId: string | null; reason?: string };
        const destination = this.hosts.find((host) => host.id === (destinationHostId ?? this.hosts[2]!.id))!;
        return this.beginMigration(found(this.vms), destination, reason ?? 'asked by an administrator');
      }
      case 'POST vms console':
        this.typed.push((body as { text: string }).text);
        return {};
      default:
        throw new Refusal(404, 'Not Found', `${method} ${path.join('/')} is not played here`);
    }
  }

  private suppose(cluster: ClusterView, { schedulingPolicy, withoutHostIds, vms }: WhatIf): WhatIfView {
    const plan = this.planFor(cluster, 'dry_run', schedulingPolicy);
    const hosts = this.hosts.filter(({ id }) => !withoutHostIds.includes(id));
    return WhatIfView.parse({
      ...plan,
      wattsBefore: 300,
      wattsAfter: 100 * hosts.length,
      hostActions: [],
      placements: vms.map(({ name, memoryMiB }) => {
        const host = memoryMiB < 100_000 ? hosts[0]! : null;
        return { vmName: name, hostId: host?.id ?? null, hostName: host?.name ?? null, reason: 'as it is' };
      }),
    });
  }

  private addHost({ name, clusterId }: { name: string; clusterId: string }): unknown {
    if (this.hosts.some((host) => host.name === name))
      throw new Refusal(409, 'Conflict', 'the name is taken', [
        { field: 'name', message: `${name} exists; choose another` },
      ]);
    const host: HostView = {
      ...this.hosts[0]!,
      id: randomUUID(),
      clusterId,
      name,
      status: 'installing',
      cpuCores: null,
      memoryMiB: null,
      cpuUsedCores: null,
      memoryUsedMiB: null,
      vmCount: 0,
      agentUrl: null,
      agentVersion: null,
      lastHeartbeatAt: null,
    };
    this.hosts.push(host);
    this.tell('host', host);
    return { ...host, enrolmentToken: 'enrol-0123456789abcdef' };
  }

  private deactivate(host: HostView, reason: string): HostView {
    host.status = host.vmCount > 0 ? 'preparing_for_maintenance' : 'maintenance';
    host.statusReason = reason;
    this.tell('host', host);
    this.log(`${host.name} is being emptied: ${reason}`, { type: 'host.deactivated', hostId: host.id });
    return host;
  }

  private addVm(spec: CreateVm): VmView {
    if (this.vms.some(({ name }) => name === spec.name))
      throw new Refusal(409, 'Conflict', 'the name is taken', [
        { field: 'name', message: `${spec.name} exists; choose another` },
      ]);
    const { start, hostId, ...rest } = spec;
    const vm: VmView = {
      ...this.vm('vm-6'),
      ...rest,
      disks: [],
      nics: rest.nics.map(({ network }, index) => ({ network, mac: `52:54:00:12:34:5${index}` })),
      id: randomUUID(),
      hostId: start ? (hostId ?? this.hosts[2]!.id) : null,
      status: start ? 'up' : 'down',
      statusReason: '',
      createdAt: iso(),
    };
    this.vms.push(vm);
    this.tell('vm', vm);
    return vm;
  }

  private hopsOf(vm: VmView): MigrationHop[] {
    const versions = { controller: '1.2.3', sourceAgent: '1.2.3', destinationAgent: '1.2.2' };
    const moves = this.migrations.filter(({ vmId }) => vmId === vm.id);
    return moves.map((move) => MigrationHop.parse({ ...move, versions, means: move.decisions }));
  }

  private predict(vm: VmView): MigrationPrediction {
    return {
      ...{ at: iso(), migrationPolicyId: this.migrationPolicies[0]!.id, usedMiB: vm.memoryMiB / 2, dirtyRateMiBps: 7 },
      ...{ bandwidthMiBps: 110, bandwidthFrom: 'measured', totalMs: 1200, downtimeMs: 40, transferredMiB: 130 },
      ...{ compressedShare: 0.4, deltaShare: null },
      ...{ means: [], atHand: [], reason: '7.0 MiB/s are written, 110.0 MiB/s are sent: pre-copy alone ends' },
    };
  }

  /** A line for each beat, so that the console counts on. */
  private console(vm: VmView, offset: number) {
    const lines = Array.from({ length: this.beats + 20 }, (_, index) => `pager seq=${index} vm=${vm.name} errors=0\n`);
    const text = ['Drover pager, 64 MiB, 8 MiB/s\n', ...lines].join('');
    return { offset, next: text.length, text: text.slice(offset) };
  }
}

/** VMs that share a host with another member of a group that is to be apart. */
function checkOf({ vmIds, vmsRule }: CheckAffinityGroup, vms: readonly VmView[]): AffinityCheck {
  const members = vms.filter(({ id }) => vmIds.includes(id));
  const isCrowded = (vm: VmView) => members.some((other) => other !== vm && other.hostId === vm.hostId);
  const breaking = vmsRule.enabled && !vmsRule.positive ? members.filter(isCrowded) : [];
  const violations = breaking.map(({ id, name }) => {
    return { vmId: id, vmName: name, isHard: vmsRule.enforcing, reason: 'is not alone on its host' };
  });
  return { violations, conflicts: [] };
}

const powerOf = ({ id }: HostView): HostPowerView =>
  HostPowerView.parse({
    hostId: id,
    management: { type: 'fence_agent', agent: 'fence_ipmilan', address: '10.0.9.1', username: 'drover' },
    hasPassword: true,
    wakeUp: 'proven',
    provenAt: iso(),
    bootSeconds: 94,
    boots: [{ at: iso(), seconds: 94 }],
    isParked: false,
    powerSince: iso(),
    operation: null,
    wattsAt: [94, 110, 135],
    offWatts: 6,
    measuredWatts: 101,
    inServiceSince: '2023-05-31',
  });

/** Hosts draw 1.5 kWh a day; the last of them is off by night. */
function energyOf(hosts: readonly HostView[], from: string): EnergyView {
  const days = Array.from({ length: 7 }, (_, index) => {
    const day = new Date(Date.parse(from) + index * 86_400_000).toISOString().slice(0, 10);
    return hosts.map(({ id, name, clusterId }, place) => {
      const offHours = place === hosts.length - 1 ? 9 : 0;
      const savedKWh = offHours * 0.09;
      const figures = { usedKWh: 2.4 - savedKWh, savedKWh, measuredKWh: 0, onHours: 24 - offHours, offHours };
      return { day, hostId: id, hostName: name, clusterId, ...figures };
    });
  }).flat();
  const sum = (of: (day: (typeof days)[number]) => number) => days.reduce((total, day) => total + of(day), 0);
  const whole = { usedKWh: sum(({ usedKWh }) => usedKWh), savedKWh: sum(({ savedKWh }) => savedKWh) };
  return EnergyView.parse({ from, to: days.at(-1)!.day, ...whole, days });
}

/** Filters by every field that is asked for; the cursor is an index. */
function pageOf(list: { id: string }[], query: URLSearchParams) {
  const limit = Number(query.get('limit') ?? 50);
  const from = Number(query.get('cursor') ?? 0);
  const filters = [...query].filter(([name]) => name !== 'limit' && name !== 'cursor');
  const matching = list.filter((item) =>
    filters.every(([name, value]) => {
      const fields = item as unknown as Record<string, unknown>;
      if (name === 'hostId' && 'sourceHostId' in item)
        return fields.sourceHostId === value || fields.destinationHostId === value;
      return String(fields[name]) === value;
    }),
  );
  const items = matching.slice(from, from + limit);
  return { items, nextCursor: from + limit < matching.length ? String(from + limit) : null };
}
