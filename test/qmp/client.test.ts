import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listenQmp, QmpClient, QmpConnectionError, QmpServer } from '#qmp';

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'drover-qmp-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'qmp');
}

/** Somebody at the other end who does what the test says. */
async function fakeServer(serve: (socket: Socket) => void): Promise<string> {
  const path = socketPath();
  const server = createServer((socket) => serve(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  return path;
}

const GREETING = '{"QMP":{"version":{},"capabilities":[]}}\r\n';
const answer = (id: unknown, value: unknown) => `${JSON.stringify({ id, return: value })}\r\n`;
const parse = (line: unknown) => JSON.parse(String(line)) as { id: string; execute: string };

test('answers find their questions by id, in whatever order they come', async () => {
  const waiting: { id: string; execute: string }[] = [];
  const path = await fakeServer((socket) => {
    socket.write(GREETING);
    socket.on('data', (data) => {
      for (const line of String(data).trim().split('\r\n')) {
        const command = parse(line);
        if (command.execute === 'qmp_capabilities') socket.write(answer(command.id, {}));
        else waiting.push(command);
      }
      if (waiting.length === 3) for (const { id, execute } of waiting.toReversed()) socket.write(answer(id, execute));
    });
  });
  const client = await QmpClient.connect({ path });
  expect(await Promise.all(['a', 'b', 'c'].map((name) => client.execute(name)))).toEqual(['a', 'b', 'c']);
  client.close();
});

test('no answer in time, a lost connection and nobody there are each told apart', async () => {
  const path = await fakeServer((socket) => {
    socket.write(GREETING);
    socket.on('data', (data) => {
      const command = parse(data);
      if (command.execute === 'qmp_capabilities') socket.write(answer(command.id, {}));
      else if (command.execute === 'hang up') socket.destroy();
    });
  });
  const client = await QmpClient.connect({ path });
  await expect(client.execute('sleep', {}, { timeoutMs: 30 })).rejects.toThrow('sleep: no answer within 30 ms');
  await expect(client.nextEvent('NEVER', { timeoutMs: 30 })).rejects.toThrow('no event NEVER');
  await expect(client.execute('hang up')).rejects.toThrow(QmpConnectionError);
  expect(await client.closed).toBeInstanceOf(QmpConnectionError);
  await expect(client.execute('more')).rejects.toThrow(QmpConnectionError);
  await expect(QmpClient.connect({ path: `${path}-not` })).rejects.toThrow(QmpConnectionError);
});

test('who does not speak QMP is not taken for a server', async () => {
  const http = await fakeServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n'));
  await expect(QmpClient.connect({ path: http })).rejects.toThrow(/not a QMP message/);
  const silent = await fakeServer(() => {});
  await expect(QmpClient.connect({ path: silent }, { timeoutMs: 50 })).rejects.toThrow(/no greeting/);
});

test('client and server over a Unix socket; a socket that is in use is not taken over', async () => {
  const server = new QmpServer({
    version: { qemu: { major: 0, minor: 0, micro: 1 }, package: '' },
    events: ['STOP'],
    now: Date.now,
    onInternalError: () => {},
  });
  const path = socketPath();
  const listener = await listenQmp(server, { path });
  await expect(listenQmp(server, { path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  const client = await QmpClient.connect({ path });
  const event = client.nextEvent('STOP');
  server.emit('STOP');
  expect((await event).event).toBe('STOP');
  await listener.close();
  expect(await client.closed).toBeInstanceOf(QmpConnectionError);
});
