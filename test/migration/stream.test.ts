/** Whatever happens to the bytes of a migration: never two running guests, never none, never a wrong page, always a reason. */
import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { IncomingMigration, PrecopySource } from '#migration';
import type { IncomingOutcome, MigrationError, MigrationFigures } from '#migration';
import { layout } from '#vmm';
import { STREAM_VERSION, checkOpening, decodeMessage, encodeMessage, opening } from '../../libs/migration/protocol.js';
import { ReceivingMachine, WritingMachine, channelPair, codecOf, ramHash, realClock } from './support.js';
import type { MemoryChannel, Tamper } from './support.js';

const PATIENCE = { runningMs: 1000, stoppedMs: 1000 };
const EVENTUALLY = { timeout: 90_000, interval: 2 };

interface Ending {
  source: MigrationFigures;
  destination: IncomingMigration;
  /** null while the destination waits to be told. */
  outcome: IncomingOutcome | null;
  from: WritingMachine;
  to: ReceivingMachine;
  bytes: number;
}

/** Moves a small machine that stands still, with `tamper` on the bytes of one direction. */
async function migrate(direction: 'out' | 'back', tamper: Tamper, chunkBytes = 65_536): Promise<Ending> {
  const from = new WritingMachine(1);
  for (const page of [0, 7, 31, 32, 200, 255])
    from.memory.view.setUint32(layout.RAM + page * layout.PAGE_SIZE, page + 1, true);
  await from.resume();
  const to = new ReceivingMachine(1);
  const [near, far] = channelPair(chunkBytes);
  let bytes = 0;
  const tampered: MemoryChannel = direction === 'out' ? near : far;
  tampered.tamper = (chunk, at) => {
    bytes = at + chunk.length;
    return tamper(chunk, at);
  };
  const both = { codec: codecOf(from.memory), clock: realClock, onChange: () => undefined };
  const source = new PrecopySource({
    ...both,
    migrationId: 'm-1',
    epoch: 1,
    parameters: { maxBandwidth: 0, downtimeLimitMs: 300 },
    machine: from,
    patience: PATIENCE,
    connect: async () => near,
  });
  const destination = new IncomingMigration({ ...both, machine: to, codec: codecOf(to.memory), epoch: 0 });
  let outcome: IncomingOutcome | null = null;
  const receive = destination.receive(far).then((result) => (outcome = result));
  const figures = await source.run();
  const isWaiting = () => destination.figures.status === 'loaded' && !destination.figures.isConnected;
  await vi.waitFor(() => expect(outcome !== null || isWaiting()).toBe(true), EVENTUALLY);
  if (!isWaiting()) await receive;
  return { source: figures, destination, outcome, from, to, bytes };
}

const isConfirmed = ({ source }: Ending): boolean => source.status === 'completed' && source.confirmed === true;

/** What must hold at the end of every migration: the guest is here, or there, in full. */
function expectOneGuest({ source, destination, outcome, from, to }: Ending): void {
  const there = source.status === 'completed';
  expect(there ? source.status : source.error).not.toBeNull();
  expect(from.running).toBe(!there);
  expect(to.started.length).toBeLessThanOrEqual(there ? 1 : 0);
  expect(there ? ['loaded', 'running'] : ['failed', 'loaded', 'waiting']).toContain(destination.figures.status);
  expect(there ? [undefined, 'running'] : [undefined, 'failed', 'stranger']).toContain(outcome?.kind);
  expect(there && ramHash(to.memory)).toBe(there && from.hashesAtStop.at(-1));
}

const flipAt =
  (position: number, bit: number): Tamper =>
  (chunk, at) => {
    const index = position - at;
    if (index >= 0 && index < chunk.length) chunk[index]! ^= 1 << bit;
    return chunk;
  };

const cutAt =
  (position: number): Tamper =>
  (chunk, at) =>
    at + chunk.length > position ? null : chunk;

test('untouched, it arrives, in chunks of any size', async () => {
  for (const chunkBytes of [1, 7, 4096, 65_536]) {
    const ending = await migrate('out', (chunk) => chunk, chunkBytes);
    expect(ending.source.status).toBe('completed');
    expectOneGuest(ending);
  }
});

test.each(['out', 'back'] as const)('a flipped bit anywhere on the way %s', { timeout: 120_000 }, async (direction) => {
  const { bytes } = await migrate(direction, (chunk) => chunk);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes - 1), fc.nat(7), async (position, bit) => {
      const ending = await migrate(direction, flipAt(position, bit));
      expectOneGuest(ending);
      expect(isConfirmed(ending)).toBe(position >= ending.bytes);
    }),
    {
      numRuns: 60,
      examples:
        direction === 'out'
          ? [
              [0, 0],
              [6, 1],
              [8, 0],
              [16, 3],
              [bytes - 1, 2],
            ]
          : [
              [0, 0],
              [6, 1],
            ],
    },
  );
});

test.each(['out', 'back'] as const)('cut off anywhere on the way %s', { timeout: 120_000 }, async (direction) => {
  const { bytes } = await migrate(direction, (chunk) => chunk);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes - 1), async (position) => {
      const ending = await migrate(direction, cutAt(position), 512);
      expectOneGuest(ending);
      expect(isConfirmed(ending)).toBe(position >= ending.bytes);
    }),
    { numRuns: 60 },
  );
});

test('garbage instead of a stream, or instead of an answer, is named', async () => {
  const say =
    (text: string): Tamper =>
    () =>
      new TextEncoder().encode(text);
  const called = await migrate('out', say('GET / HTTP/1.1\r\n\r\n'));
  expect(called.outcome).toMatchObject({
    kind: 'stranger',
    error: { code: 'not_drover', message: expect.stringContaining('"GET / HT"') },
  });
  expect(called.source.error!.code).toBe('remote_not_drover');
  const answered = await migrate('back', say('{"QMP": {"version": {}}}\r\n'));
  expect(answered.source.error).toMatchObject({ code: 'not_drover' });
  for (const ending of [called, answered]) expectOneGuest(ending);
});

test('another version of the stream is named on both sides', async () => {
  const ending = await migrate('out', (chunk, at) => (at === 0 ? opening(STREAM_VERSION + 1) : chunk), 8);
  expect(ending.outcome).toMatchObject({ kind: 'failed', error: { code: 'version' } });
  expect(ending.source.error).toMatchObject({ code: 'remote_version' });
  expect(ending.source.error!.message).toContain(`version ${STREAM_VERSION + 1}`);
});

test('an opening is refused at its first wrong byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      const expected = opening();
      const firstWrong = bytes.findIndex((byte, i) => byte !== expected[i]);
      const isRefused = (part: Uint8Array) => {
        try {
          checkOpening(part);
          return false;
        } catch {
          return true;
        }
      };
      // the last two bytes are the version, judged when both are there
      const refusedAt = firstWrong < 0 ? Infinity : firstWrong < 6 ? firstWrong + 1 : 8;
      for (let length = 0; length <= bytes.length; length++) {
        expect(isRefused(bytes.subarray(0, length))).toBe(length >= refusedAt);
      }
    }),
  );
});

test('messages survive the way; anything else is refused with its field', () => {
  const machine = { ramBytes: 1, harts: 1, pageBytes: 4096, boardVersion: 1 };
  const { frameType, payload } = encodeMessage('HELLO', {
    migrationId: 'ä',
    epoch: 3,
    machine,
    postcopy: true,
    channels: 0,
  });
  expect(decodeMessage(frameType, payload)).toEqual({
    type: 'HELLO',
    body: { migrationId: 'ä', epoch: 3, machine, postcopy: true, channels: 0 },
  });
  const decode = (text: string) => decodeMessage(frameType, new TextEncoder().encode(text));
  expect(() => decode('{"migrationId":"x","epoch":-1}')).toThrow('HELLO.epoch is not a count');
  expect(() => decode('{"migrationId":"x","epoch":1,"machine":[]}')).toThrow('HELLO.machine is not an object');
  expect(() => decode('{')).toThrow('HELLO is not JSON');
  fc.assert(
    fc.property(fc.nat(20), fc.uint8Array({ maxLength: 100 }), (type, bytes) => {
      const isBinary = [6, 13, 17, 19].includes(type);
      let error: unknown = null;
      try {
        decodeMessage(type, bytes);
      } catch (thrown) {
        error = thrown;
      }
      expect(isBinary ? error : (error as MigrationError).code).toBe(isBinary ? null : 'malformed');
    }),
  );
});
