/** What the API promises whatever it is asked: errors, tokens, idempotency, paging, documentation, metrics. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Server } from '../../apps/controller/server.js';
import type { EmbeddedPostgres } from '../../tools/postgres.js';
import { startTestPostgres } from '../postgres.js';
import { ADMIN_TOKEN, Api, startController } from './api.js';

let postgres: EmbeddedPostgres;
let server: Server;
let api: Api;
let clusterId: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  server = await startController(postgres.url);
  api = new Api(server.url);
  ({ id: clusterId } = await api.post('/clusters', { name: 'main' }));
});

afterAll(async () => {
  await server?.close();
  await postgres?.stop();
});

const NOBODY = randomUUID();
const vm = (more: object = {}) => ({ name: 'web', clusterId, image: 'pager', start: false, ...more });

test.each<[string, string, unknown, number, string]>([
  ['POST', '/clusters', '{"name": ', 400, ''],
  ['POST', '/clusters', {}, 400, 'name'],
  ['POST', '/clusters', { name: 'a b' }, 400, 'name'],
  ['POST', '/clusters', { name: 'x', cooldownSeconds: -1 }, 400, 'cooldownSeconds'],
  ['POST', '/clusters', { name: 'x', schedulingPolicy: { name: 'best' } }, 400, 'schedulingPolicy.name'],
  ['POST', '/clusters', { name: 'x', migrationPolicyId: NOBODY }, 404, ''],
  ['POST', '/clusters', { name: 'main' }, 409, ''],
  ['PATCH', `/clusters/${NOBODY}`, { name: 'x' }, 404, ''],
  ['GET', '/clusters/not-an-id', undefined, 400, 'id'],
  ['GET', '/clusters?limit=0', undefined, 400, 'limit'],
  ['GET', '/clusters?cursor=bogus', undefined, 400, 'cursor'],
  ['POST', '/vms', null, 400, 'name'],
  ['POST', '/vms', [1, 2], 400, 'body'],
  ['POST', '/vms', { name: 'x', clusterId: 'main', image: 'pager' }, 400, 'clusterId'],
  ['POST', '/vms', { name: 'x', clusterId: NOBODY, image: 'pager' }, 404, ''],
  ['POST', '/vms', { name: 'x', image: '../etc/passwd', vcpus: 1, memoryMiB: 64 }, 400, 'image'],
  ['POST', '/vms', { name: 'x', image: 'pager', memoryMiB: 1e12 }, 400, 'memoryMiB'],
  ['POST', '/vms', { name: 'x', image: 'pager', vcpus: 0.5 }, 400, 'vcpus'],
  ['POST', '/vms', { name: 'x', image: 'pager', nics: [{ network: 'a b' }] }, 400, 'nics.0.network'],
  [
    'POST',
    '/vms',
    { name: 'x', image: 'pager', nics: Array.from({ length: 5 }, () => ({ network: 'lan' })) },
    400,
    'nics',
  ],
  ['GET', `/vms/${NOBODY}`, undefined, 404, ''],
  ['POST', `/vms/${NOBODY}/start`, undefined, 404, ''],
  ['POST', `/vms/${NOBODY}/migrate`, { destinationHostId: 'x' }, 400, 'destinationHostId'],
  ['GET', '/vms?status=happy', undefined, 400, 'status'],
  ['POST', `/hosts/${NOBODY}/deactivate`, { reason: 'x' }, 404, ''],
  ['POST', `/hosts/${NOBODY}/deactivate`, {}, 400, 'reason'],
  ['GET', '/migrations?active=perhaps', undefined, 400, 'active'],
  ['PATCH', `/migrations/${NOBODY}/parameters`, { downtimeLimit: 5 }, 400, 'body'],
  ['GET', '/nowhere', undefined, 404, ''],
  ['DELETE', '/clusters', undefined, 404, ''],
])('%s %s %j is refused with %d', async (method, path, body, status, field) => {
  const answer = await api.call(method, path, body === null ? undefined : body);
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    type: 'about:blank',
    status,
    title: expect.any(String),
    instance: `/api/v1${path}`,
  });
  if (field) expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  expect(JSON.stringify(answer.body)).not.toMatch(/\\n +at |\.[jt]s:\d|node_modules/);
});

test('a body that is too large is refused, and everything still runs', async () => {
  const answer = await api.call('POST', '/clusters', { name: 'x', description: 'x'.repeat(300_000) });
  expect(answer).toMatchObject({ status: 413, body: { status: 413 } });
  expect((await api.call('POST', '/clusters', 'not json', { 'content-type': 'text/plain' })).status).toBe(400);
  expect(await api.get('/health')).toEqual({ status: 'ok', database: 'ok', queue: 'ok' });
});

test('nothing but health is open without the right token', async () => {
  const withToken = (path: string, token?: string) =>
    fetch(server.url + path, { headers: token ? { authorization: token } : {} });
  expect((await withToken('/api/v1/health')).status).toBe(200);
  for (const path of ['/api/v1/me', '/api/v1/vms', '/api/v1/events/stream', '/metrics'])
    for (const token of [undefined, 'Bearer wrong', `Basic ${ADMIN_TOKEN}`, 'Bearer']) {
      const answer = await withToken(path, token);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="drover"');
    }
  expect((await withToken('/api/v1/me', `Bearer ${ADMIN_TOKEN}`)).status).toBe(200);
  // An administrator is no agent, and an agent no administrator.
  const enrol = { agentUrl: 'http://x', agentVersion: '1', agentToken: 'x'.repeat(32), cpuCores: 1, memoryMiB: 1 };
  expect((await api.call('POST', '/agents/enrol', enrol)).status).toBe(401);
  const { enrolmentToken } = await api.post('/hosts', { name: 'token-test', clusterId });
  expect((await withToken('/api/v1/vms', `Bearer ${enrolmentToken}`)).status).toBe(401);
});

test('a POST with an Idempotency-Key is carried out once', async () => {
  const key = { 'idempotency-key': randomUUID() };
  const host = { name: 'once', clusterId };
  const [first, second] = [await api.call('POST', '/hosts', host, key), await api.call('POST', '/hosts', host, key)];
  expect(first).toMatchObject({ status: 201, body: { enrolmentToken: expect.any(String) } });
  expect(second).toMatchObject({ status: 201, body: first.body });
  expect((await api.call('POST', '/hosts', { ...host, name: 'twice' }, key)).status).toBe(422);
  expect((await api.call('POST', '/clusters', host, key)).status).toBe(422);
  // A request that failed had no effect, so it may be sent again.
  const failing = { 'idempotency-key': randomUUID() };
  expect((await api.call('POST', '/hosts', host, failing)).status).toBe(409);
  expect((await api.call('POST', '/hosts', host, failing)).status).toBe(409);
  expect((await api.call('POST', '/hosts', host, { 'idempotency-key': 'a b' })).body.errors[0].field).toBe(
    'Idempotency-Key',
  );
  // Of several at the same time, one is carried out.
  const rush = { 'idempotency-key': randomUUID() };
  const answers = await Promise.all([1, 2, 3].map(() => api.call('POST', '/hosts', { name: 'rush', clusterId }, rush)));
  expect(answers.map(({ status }) => status).every((status) => status === 201 || status === 409)).toBe(true);
  expect((await api.get('/hosts?name=rush')).items).toHaveLength(1);
});

test('lists come in pages, filtered, in order', async () => {
  for (let index = 10; index < 17; index++) await api.post('/vms', vm({ name: `page-${index}` }));
  const other = await api.post('/clusters', { name: 'other' });
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor ? `&cursor=${cursor}` : '';
    const page = await api.get(`/vms?clusterId=${clusterId}&limit=3${query}`);
    names.push(...page.items.map(({ name }: { name: string }) => name));
    cursor = page.nextCursor;
  } while (cursor);
  expect(names).toEqual([10, 11, 12, 13, 14, 15, 16].map((index) => `page-${index}`));
  expect((await api.get(`/vms?clusterId=${other.id}`)).items).toEqual([]);
  expect((await api.get('/vms?name=page-12')).items).toHaveLength(1);
  const events = await api.get('/events?limit=2');
  const following = await api.get(`/events?limit=2&cursor=${events.nextCursor}`);
  expect(Number(events.items[1].id)).toBeGreaterThan(Number(following.items[0].id));
  expect((await api.call('GET', `/vms?cursor=${events.nextCursor}`)).status).toBe(400);
});

test('a VM that finds no host is created all the same, and says why', async () => {
  const created = await api.post('/vms', vm({ name: 'homeless', start: true }));
  expect(created).toMatchObject({ status: 'down', hostId: null, statusReason: expect.stringMatching(/\w/) });
  const answer = await api.call('POST', `/vms/${created.id}/start`);
  expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/finds no host/) } });
  expect((await api.call('POST', `/vms/${created.id}/stop`)).status).toBe(409);
});

test('migration policies are made, used, changed and deleted, but never while something needs them', async () => {
  const policy = await api.post('/migration-policies', { name: 'gentle', bandwidthMiBps: 50 });
  expect(policy).toMatchObject({ downtimeLimitMs: 300, bandwidthMiBps: 50, timeoutSeconds: 600 });
  const path = `/migration-policies/${policy.id}`;
  const cluster = await api.post('/clusters', { name: 'gentle', migrationPolicyId: policy.id });
  expect((await api.call('DELETE', path)).body.detail).toMatch(/cluster/);
  expect((await api.call('PATCH', path, { downtimeLimitMs: 50 })).body).toMatchObject({ downtimeLimitMs: 50 });
  await api.call('DELETE', `/clusters/${cluster.id}`);
  expect((await api.call('DELETE', path)).status).toBe(204);
  const standard = (await api.get('/migration-policies')).items.find(
    ({ name }: { name: string }) => name === 'default',
  );
  expect((await api.call('DELETE', `/migration-policies/${standard.id}`)).status).toBe(409);
  expect((await api.call('DELETE', `/clusters/${clusterId}`)).status).toBe(409);
});

test('the portal is served, with its page for every address of its own, and nothing of the API is hidden by it', async () => {
  const portalDir = mkdtempSync(join(tmpdir(), 'drover-portal-'));
  writeFileSync(join(portalDir, 'index.html'), '<title>Drover</title>');
  writeFileSync(join(portalDir, 'app.js'), 'void 0;');
  const withPortal = await startController(postgres.url, undefined, { portalDir });
  const get = async (path: string) => {
    const answer = await fetch(withPortal.url + path, { headers: { accept: 'text/html' } });
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      headers: answer.headers,
      text: await answer.text(),
    };
  };
  for (const path of ['/', '/vms', '/migrations/1?tab=2'])
    expect(await get(path)).toMatchObject({
      status: 200,
      type: expect.stringMatching(/^text\/html/),
      text: '<title>Drover</title>',
    });
  expect((await get('/vms')).headers.get('content-security-policy')).toMatch(/default-src 'self'/);
  expect(await get('/app.js')).toMatchObject({ status: 200, type: expect.stringMatching(/javascript/) });
  expect((await get('/..%2f..%2fetc/passwd')).text).not.toMatch(/root:/);
  expect((await get('/api/v1/vms')).status).toBe(401);
  expect((await get('/api/v1/nowhere')).type).toMatch(/problem\+json/);
  expect((await get('/metrics')).status).toBe(401);
  await withPortal.close();
  rmSync(portalDir, { recursive: true });
});

test('the API documents itself, and counts for Prometheus', async () => {
  const document = (await (await fetch(`${server.url}/api/docs-json`)).json()) as {
    paths: Record<string, Record<string, { requestBody?: unknown; responses: Record<string, { content?: unknown }> }>>;
  };
  const create = document.paths['/api/v1/vms']!.post!;
  expect(JSON.stringify(create.requestBody)).toMatch(/memoryMiB/);
  expect(JSON.stringify(create.responses['201'])).toMatch(/consoleTail/);
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/api/v1/clusters/{id}/plan', '/metrics']));

  const metrics = await (
    await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  ).text();
  expect(metrics).toMatch(/^drover_resources\{resource="vm",status="down"\} \d+$/m);
  expect(metrics).toMatch(/^drover_planning_seconds_count \d+$/m);
  expect(metrics).toMatch(/^process_resident_memory_bytes /m);
});
