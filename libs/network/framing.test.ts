import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FramingError, MAX_FRAME_BYTES, PacketReader, PREFIX_BYTES, prefixOf } from './framing.js';

const packetOf = (frame: Uint8Array) => Buffer.concat([prefixOf(frame.length), frame]);

test('however a stream is cut, the frames that come out are those that went in', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(packetOf));
      const reader = new PacketReader();
      const received: Uint8Array[] = [];
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const end = at + cuts[cut % cuts.length]!;
        received.push(...reader.read(stream.subarray(at, end)));
        at = end;
      }
      expect(received.map((packet) => [...packet.subarray(PREFIX_BYTES)])).toEqual(sent.map((frame) => [...frame]));
    }),
  );
});

test('a length that no frame can have ends the stream, however it arrives', () => {
  const wrong = prefixOf(MAX_FRAME_BYTES + 1);
  expect(() => [...new PacketReader().read(wrong)]).toThrow(FramingError);
  const slow = new PacketReader();
  expect([...slow.read(wrong.subarray(0, 3))]).toEqual([]);
  expect(() => [...slow.read(wrong.subarray(3))]).toThrow(/69633 bytes/);
});

test('the longest frame fits', () => {
  const [packet] = new PacketReader().read(packetOf(new Uint8Array(MAX_FRAME_BYTES).fill(7)));
  expect(packet).toHaveLength(PREFIX_BYTES + MAX_FRAME_BYTES);
});
