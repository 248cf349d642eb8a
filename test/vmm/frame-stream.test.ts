/** A NIC's netdev on real sockets: order, pressure back in both directions, connections that break. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FrameStream } from '../../apps/vmm/devices/frame-stream.js';
import { MessageReader, PREFIX_BYTES, prefixOf } from '#network';

class FakeSwitch {
  readonly path = join(mkdtempSync(join(tmpdir(), 'drover-net-')), 'switch');
  readonly received: Uint8Array[] = [];
  socket: Socket | null = null;
  private server: Server | undefined;

  constructor() {
    onTestFinished(() => this.close());
    onTestFinished(() => rmSync(join(this.path, '..'), { recursive: true }));
  }

  listen(): Promise<void> {
    this.server = createServer((socket) => {
      this.socket = socket;
      const reader = new MessageReader();
      socket.on('data', (chunk: Buffer) => {
        for (const message of reader.read(chunk)) this.received.push(Uint8Array.from(message.subarray(PREFIX_BYTES)));
      });
      socket.on('error', () => undefined);
    });
    return new Promise((resolve) => this.server!.listen(this.path, resolve));
  }

  async close(): Promise<void> {
    this.socket?.destroy();
    await new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
  }
}

function newStream(path: string, reconnectMs = 0) {
  const taken: Uint8Array[] = [];
  const guest = { hasRoom: true, isLinkUp: true, sent: vi.fn<() => void>(), log: vi.fn<(line: string) => void>() };
  const stream = new FrameStream(
    { id: 'n0', address: { path }, reconnectMs, hasHeader: false },
    {
      receive: (frame) => guest.hasRoom && taken.push(frame) > 0,
      isLinkUp: () => guest.isLinkUp,
      sent: guest.sent,
      log: guest.log,
    },
  );
  onTestFinished(() => stream.close());
  return { stream, guest, taken };
}

const frameOf = (number: number, size = 60) => new Uint8Array(size).fill(number & 0xff);

test('frames go both ways in order; what the guest has no room for waits', async () => {
  const bridge = new FakeSwitch();
  await bridge.listen();
  const { stream, guest, taken } = newStream(bridge.path);
  await stream.open();
  for (let i = 0; i < 100; i++) stream.send([frameOf(i, 60 + i)]);
  await vi.waitFor(() => expect(bridge.received).toHaveLength(100), 90_000);
  expect(bridge.received.every((frame, i) => Buffer.compare(frame, frameOf(i, 60 + i)) === 0)).toBe(true);

  guest.hasRoom = false;
  for (let i = 0; i < 100; i++) bridge.socket!.write(Buffer.concat([prefixOf(60), frameOf(i)]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(taken).toEqual([]);
  guest.hasRoom = true;
  stream.retry();
  await vi.waitFor(() => expect(taken).toHaveLength(100), 90_000);
  expect(taken.map(([first]) => first)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test('a switch that does not read stops the guest from sending, and lets it go on', async () => {
  const bridge = new FakeSwitch();
  await bridge.listen();
  const { stream, guest } = newStream(bridge.path);
  await stream.open();
  await vi.waitFor(() => expect(bridge.socket).not.toBeNull(), 90_000);
  bridge.socket!.pause();
  let sent = 0;
  const sendAll = () => {
    while (stream.send([frameOf(1, 60_000)])) sent += 1;
  };
  guest.sent.mockImplementation(sendAll);
  sendAll();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(sent).toBeLessThan(100); // 1 MiB here, and what the socket holds
  const before = sent;
  guest.sent.mockImplementation(() => undefined);
  bridge.socket!.resume();
  await vi.waitFor(() => expect(bridge.received.length).toBeGreaterThanOrEqual(before), 90_000);
  expect(guest.sent).toHaveBeenCalled();
});

test('a guest that sends without end leaves others their turn', async () => {
  const { stream, guest } = newStream('/nowhere', 1000);
  await stream.open();
  let sent = 0;
  while (stream.send([frameOf(1)])) sent += 1; // to nobody
  expect(sent).toBe(255);
  await vi.waitFor(() => expect(guest.sent).toHaveBeenCalledOnce(), 90_000);
  expect(stream.send([frameOf(1)])).toBe(true);
});

test('a lost connection is made again if that is wanted; what is sent meanwhile is lost', async () => {
  const bridge = new FakeSwitch();
  const { stream, guest } = newStream(bridge.path, 10);
  await stream.open();
  await vi.waitFor(() => expect(guest.log).toHaveBeenCalledWith(expect.stringContaining('not connected')), 90_000);
  stream.send([frameOf(1)]);
  await bridge.listen();
  await vi.waitFor(() => expect(bridge.socket).not.toBeNull(), 90_000);
  expect(guest.log).toHaveBeenCalledTimes(2);
  stream.send([frameOf(2)]);
  await vi.waitFor(() => expect(bridge.received).toEqual([frameOf(2)]), 90_000);
  await bridge.close();
  await bridge.listen();
  await vi.waitFor(() => {
    stream.send([frameOf(3)]);
    expect(bridge.received).toContainEqual(frameOf(3));
  });
});

test('without reconnect-ms the switch must be there, and garbage ends the connection', async () => {
  const bridge = new FakeSwitch();
  await expect(newStream(bridge.path).stream.open()).rejects.toThrow(/ENOENT/);
  await bridge.listen();
  const { stream, guest } = newStream(bridge.path);
  await stream.open();
  await vi.waitFor(() => expect(bridge.socket).not.toBeNull(), 90_000);
  bridge.socket!.write(Uint8Array.of(255, 255, 255, 255));
  await vi.waitFor(
    () => expect(guest.log).toHaveBeenCalledWith(expect.stringMatching(/a frame of 4294967295 bytes/)),
    30_000,
  );
});

test('with the cable out nothing is sent', async () => {
  const bridge = new FakeSwitch();
  await bridge.listen();
  const { stream, guest } = newStream(bridge.path);
  await stream.open();
  guest.isLinkUp = false;
  stream.send([frameOf(1)]);
  guest.isLinkUp = true;
  stream.send([frameOf(2)]);
  await vi.waitFor(() => expect(bridge.received).toEqual([frameOf(2)]), 90_000);
});
