import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { allOf, ApiError, ConnectionError, DroverClient } from './index.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const servers: Server[] = [];

async function serve(handler: Handler): Promise<DroverClient> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return new DroverClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'secret' });
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const json = (response: ServerResponse, body: unknown, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

test('sends token, filters and an idempotency key with each POST', async () => {
  const seen: IncomingMessage[] = [];
  const client = await serve((request, response) => {
    seen.push(request);
    json(response, { items: [], nextCursor: null });
  });
  await client.vms.list({ status: 'up', hostId: undefined, limit: 5 });
  await client.hosts.activate('h');
  expect(seen[0]?.url).toBe('/api/v1/vms?status=up&limit=5');
  expect(seen[0]?.headers.authorization).toBe('Bearer secret');
  expect(seen[0]?.headers).not.toHaveProperty('idempotency-key');
  expect(seen[1]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
});

test('a refusal carries status, detail and each bad field', async () => {
  const problem = {
    type: 'about:blank',
    title: 'Bad Request',
    status: 400,
    detail: 'the request is not valid',
    errors: [{ field: 'memoryMiB', message: 'at most 3584' }],
  };
  const client = await serve((_, response) => json(response, problem, 400));
  const error = await client.vms.create({ name: 'a', clusterId: 'c', image: 'pager' }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 400, message: 'the request is not valid; memoryMiB: at most 3584' });
});

test('an answer that is no problem+json is told as it is', async () => {
  const client = await serve((_, response) => response.writeHead(502).end('<html>bad gateway'));
  await expect(client.me()).rejects.toMatchObject({ status: 502, detail: '<html>bad gateway' });
});

test('nobody listens: a ConnectionError that names the address', async () => {
  const client = new DroverClient({ url: 'http://127.0.0.1:2', token: 'x' });
  const error = await client.me().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConnectionError);
  expect((error as Error).message).toContain('http://127.0.0.1:2');
});

test('what is no controller, or stops in mid-answer, is a ConnectionError', async () => {
  const page = await serve((_, response) => response.end('<html>hello'));
  await expect(page.me()).rejects.toThrow(/is no Drover controller/);
  const broken = await serve((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"items"');
    setTimeout(() => response.destroy(), 20);
  });
  await expect(broken.me()).rejects.toBeInstanceOf(ConnectionError);
});

test('an id stays one part of the path, whatever it holds', async () => {
  const urls: unknown[] = [];
  const client = await serve((request, response) => {
    urls.push(request.url);
    json(response, {});
  });
  await client.vms.get('a/b?c');
  expect(urls).toEqual(['/api/v1/vms/a%2Fb%3Fc']);
});

test('allOf follows cursors to the end', async () => {
  const client = await serve((request, response) => {
    const cursor = new URL(request.url!, 'http://x').searchParams.get('cursor');
    json(response, cursor ? { items: [3], nextCursor: null } : { items: [1, 2], nextCursor: 'more' });
  });
  const items = [];
  for await (const item of allOf((cursor) => client.vms.list({ cursor }))) items.push(item);
  expect(items).toEqual([1, 2, 3]);
});

const EVENT = {
  at: '2026-01-01T00:00:00Z',
  severity: 'info',
  type: 'host.up',
  message: 'host-1 is up',
  clusterId: null,
  hostId: null,
  vmId: null,
  migrationId: null,
  planId: null,
};

test('the stream yields messages, reconnects after a loss and asks for what it missed', async () => {
  const lastEventIds: unknown[] = [];
  const client = await serve((request, response) => {
    lastEventIds.push(request.headers['last-event-id']);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const id = String(lastEventIds.length);
    const text = `: hello\n\nevent: new-kind\ndata: {}\n\nevent: event\nid: ${id}\ndata: ${JSON.stringify({ ...EVENT, id })}\n\n`;
    response.write(text.slice(0, 40));
    setTimeout(() => response.end(text.slice(40)), 20); // cut in the middle of a message, then closed
  });
  const stop = new AbortController();
  const connected: boolean[] = [];
  const ids = [];
  for await (const message of client.events.stream({ signal: stop.signal, onConnection: (is) => connected.push(is) })) {
    if (message.kind === 'event') ids.push(message.data.id);
    if (ids.length === 2) stop.abort();
  }
  expect(ids).toEqual(['1', '2']);
  expect(lastEventIds).toEqual([undefined, '1']);
  expect(connected.slice(0, 3)).toEqual([true, false, true]);
});

test('the stream gives up on a refused token', async () => {
  const client = await serve((_, response) =>
    json(response, { type: 'about:blank', title: 'Unauthorized', status: 401 }, 401),
  );
  const read = async () => {
    for await (const message of client.events.stream({ signal: AbortSignal.timeout(5000) })) void message;
  };
  await expect(read()).rejects.toMatchObject({ status: 401 });
});
