/** The event stream: a snapshot, then what changes, with the missed events after a break. */
import { createParser } from 'eventsource-parser';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StreamMessage } from '#contracts';
import { ADMIN_TOKEN } from './api.js';
import { SmallCluster } from './small-cluster.js';

const small = new SmallCluster();
const { api } = small;
let clusterId: string;

beforeAll(async () => {
  clusterId = await small.start();
});

afterAll(() => small.close(), 60_000);

interface Listening {
  readonly messages: StreamMessage[];
  readonly ids: string[];
  readonly ended: Promise<void>;
  stop(): void;
}

async function listen(lastEventId?: string): Promise<Listening> {
  const abort = new AbortController();
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) };
  const response = await fetch(`${api.base}/api/v1/events/stream`, { headers, signal: abort.signal });
  const messages: StreamMessage[] = [];
  const ids: string[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      if (id) ids.push(id);
      messages.push(StreamMessage.parse({ kind: event, data: JSON.parse(data) })); // every message is as the contract says
    },
  });
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
  };
  return { messages, ids, ended: read().catch(() => undefined), stop: () => abort.abort() };
}

const kinds = ({ messages }: Listening) => new Set(messages.map(({ kind }) => kind));

test('it begins with what there is, and goes on with what changes', async () => {
  const stream = await listen();
  await vi.waitFor(() => expect(kinds(stream)).toEqual(new Set(['cluster', 'host'])), 90_000);

  const vm = await api.post('/vms', { name: 'web', clusterId, image: 'pager' });
  const lastOf = (kind: string, id: string) =>
    stream.messages.findLast(({ kind: k, data }) => k === kind && data.id === id)?.data;
  await vi.waitFor(() => expect(lastOf('vm', vm.id)).toMatchObject({ status: 'up' }), 90_000);
  await vi.waitFor(() => expect(kinds(stream)).toContain('event'), 90_000);
  const migration = await api.post(`/vms/${vm.id}/migrate`);
  await vi.waitFor(() => expect(lastOf('migration', migration.id)).toMatchObject({ status: 'completed' }), 90_000);
  await vi.waitFor(() => expect(lastOf('host', migration.destinationHostId)).toMatchObject({ vmCount: 1 }), 90_000);
  await api.post(`/clusters/${clusterId}/plan`);
  await vi.waitFor(() => expect(kinds(stream)).toContain('plan'), 90_000);

  await api.post(`/vms/${vm.id}/stop`);
  await api.until(`/vms/${vm.id}`, { status: 'down' });
  await api.call('DELETE', `/vms/${vm.id}`);
  const gone = { kind: 'deleted', data: { resource: 'vm', id: vm.id } };
  await vi.waitFor(() => expect(stream.messages).toContainEqual(gone), 90_000);
  stream.stop();
  await stream.ended;
});

test('who comes back with Last-Event-ID gets the events that were missed', async () => {
  const before = (await api.get('/events?limit=1')).items[0].id;
  const vm = await api.post('/vms', { name: 'missed', clusterId, image: 'pager' });
  await api.until(`/vms/${vm.id}`, { status: 'up' });
  const stream = await listen(before);
  const missed = (message: StreamMessage) =>
    message.kind === 'event' && message.data.type === 'vm.started' && message.data.vmId === vm.id;
  await vi.waitFor(() => expect(stream.messages.some(missed)).toBe(true), 90_000);
  expect(stream.ids.every((id) => Number(id) > Number(before))).toBe(true);
  stream.stop();
  await stream.ended;

  const refused = await api.call('GET', '/events/stream', undefined, { 'last-event-id': 'yesterday' });
  expect(refused).toMatchObject({ status: 400, body: { errors: [{ field: 'Last-Event-ID' }] } });
});

test('an announcement that nothing belongs to deletes nothing', async () => {
  const stream = await listen();
  const vm = await api.post('/vms', { name: 'claimed-gone', clusterId, image: 'pager', start: false });
  const kindsAbout = () =>
    stream.messages.filter(({ data }) => 'id' in data && data.id === vm.id).map(({ kind }) => kind);
  await vi.waitFor(() => expect(kindsAbout()).toEqual(['vm']), 90_000);

  const agent = new Client(small.postgres.url);
  await agent.connect();
  await agent.query("NOTIFY drover, 'no announcement at all'");
  await agent.query(`NOTIFY drover, 'vm delete ${vm.id}'`);
  await agent.end();
  await vi.waitFor(() => expect(kindsAbout()).toEqual(['vm', 'vm']), 90_000); // looked at, and told as it is

  await api.call('DELETE', `/vms/${vm.id}`);
  await vi.waitFor(() => expect(kindsAbout()).toEqual(['vm', 'vm', 'deleted']), 90_000);
  stream.stop();
  await stream.ended;
});

test('it ends when the controller does', async () => {
  const stream = await listen();
  await small.stopController();
  await stream.ended;
});
