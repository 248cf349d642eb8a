import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FramingError, MAX_FRAME_BYTES, MessageReader, PREFIX_BYTES, prefixOf } from './framing.js';

const messageOf = (frame: Uint8Array) => Buffer.concat([prefixOf(frame.length), frame]);

test('however a stream is cut, the frames that come out are those that went in', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(messageOf));
      const reader = new MessageReader();
      const received: Uint8Array[] = [];
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const end = at + cuts[cut % cuts.length]!;
        received.push(...reader.read(stream.subarray(at, end)));
        at = end;
      }
      expect(received.map((message) => [...message.subarray(PREFIX_BYTES)])).toEqual(sent.map((frame) => [...frame]));
    }),
  );
});

test('a length that no frame can have ends the stream, however it arrives', () => {
  const wrong = prefixOf(MAX_FRAME_BYTES + 1);
  expect(() => [...new MessageReader().read(wrong)]).toThrow(FramingError);
  const slow = new MessageReader();
  expect([...slow.read(wrong.subarray(0, 3))]).toEqual([]);
  expect(() => [...slow.read(wrong.subarray(3))]).toThrow(/69633 bytes/);
});

test('the longest frame fits', () => {
  const [message] = new MessageReader().read(messageOf(new Uint8Array(MAX_FRAME_BYTES).fill(7)));
  expect(message).toHaveLength(PREFIX_BYTES + MAX_FRAME_BYTES);
});
