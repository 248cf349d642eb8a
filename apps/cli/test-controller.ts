/** For tests: a real HTTP server with one small datacenter, which answers, and takes what it is sent, as the contracts say. */
import { createServer, type ServerResponse } from 'node:http';
import {
  CheckAffinityGroup,
  CreateStorageDomain,
  CreateVm,
  DeactivateHost,
  DecidePlan,
  MigrateVm,
  OrderPower,
  SetPowerManagement,
  UpdateAffinityGroup,
  UpdateCluster,
  UpdateMigrationPolicy,
  UpdateVm,
  type VmView,
  WhatIf,
} from '#contracts';
import { type Exchange, found, id, pageOf, problem, taken } from './test-answers.js';
import { answerAboutMaintenance } from './test-maintenance.js';
import {
  cluster,
  versions,
  migrationPolicy,
  hosts,
  power,
  energy,
  storageDomain,
  vm,
  migration,
  plan,
  proposal,
  whatIf,
  affinityGroup,
  event,
} from './test-sample.js';

export const TOKEN = 'a-token';

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
    case 'GET /affinity-groups':
      return pageOf([affinityGroup], url);
    case `PATCH /affinity-groups/${affinityGroup.id}`:
      return taken(UpdateAffinityGroup, body, { ...affinityGroup, ...(body as object) });
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
