import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adapt, frameOf, isSound, NO_OFFLOADS, OFFLOAD_HEADER_BYTES, packetOf } from './offload.js';

const ALL = { checksum: true, tcp4: true, tcp6: true };
const ETHERNET = 14;
const TCP = 20;

interface Made {
  readonly version: 4 | 6;
  readonly payload: Uint8Array;
  readonly gsoSize: number;
  readonly optionBytes?: number;
}

const headerBytes = ({ version, optionBytes = 0 }: Made) => ETHERNET + (version === 4 ? 20 : 40) + TCP + optionBytes;

/** A TCP packet as a guest gives it to a card that cuts it: checksum of the pseudo header alone (Linux, tcp_v4_check). */
function tcpPacket(made: Made): Uint8Array {
  const { version, payload, gsoSize, optionBytes = 0 } = made;
  const ipBytes = version === 4 ? 20 : 40;
  const start = ETHERNET + ipBytes;
  const frame = Buffer.alloc(headerBytes(made) + payload.length);
  frame.writeUInt16BE(version === 4 ? 0x0800 : 0x86dd, 12);
  if (version === 4) {
    frame.set([0x45, 0, 0, 0, 0xff, 0xfe, 0x40, 0, 64, 6], ETHERNET);
    frame.writeUInt16BE(frame.length - ETHERNET, ETHERNET + 2);
    frame.set([10, 0, 0, 1, 10, 0, 0, 2], ETHERNET + 12);
  } else {
    frame.set([0x60, 0, 0, 0, 0, 0, 6, 64], ETHERNET);
    frame.writeUInt16BE(frame.length - start, ETHERNET + 4);
    for (let i = 0; i < 32; i++) frame[ETHERNET + 8 + i] = i * 7;
  }
  frame.writeUInt32BE(0xffff_fff0, start + 4); // sequence numbers wrap
  frame[start + 12] = ((TCP + optionBytes) / 4) << 4;
  frame[start + 13] = 0x80 | 0x10 | 0x08 | 0x01; // CWR ACK PSH FIN
  frame.fill(1, start + TCP, start + TCP + optionBytes);
  frame.set(payload, headerBytes(made));
  frame.writeUInt16BE(sum(pseudoHeader(frame, version)), start + 16);
  const packet = packetOf(frame);
  const view = new DataView(packet.buffer);
  packet.set([1, version === 4 ? 1 : 4]);
  view.setUint16(2, headerBytes(made), true);
  view.setUint16(4, gsoSize, true);
  view.setUint16(6, start, true);
  view.setUint16(8, 16, true);
  return packet;
}

/** RFC 1071, the plain way. */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    total += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (total > 0xffff) total -= 0xffff;
  }
  return total;
}

function pseudoHeader(frame: Uint8Array, version: 4 | 6): Buffer {
  const [from, to] = version === 4 ? [12, 20] : [8, 40];
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length - ETHERNET - (version === 4 ? 20 : 40));
  return Buffer.concat([frame.subarray(ETHERNET + from, ETHERNET + to), length, Uint8Array.of(0, 6)]);
}

/** As a receiver checks them. */
function expectWhole(frame: Uint8Array, version: 4 | 6): void {
  const ip = frame.subarray(ETHERNET);
  const view = Buffer.from(ip);
  if (version === 4) {
    expect(sum(ip.subarray(0, 20))).toBe(0xffff);
    expect(view.readUInt16BE(2)).toBe(ip.length);
  } else expect(view.readUInt16BE(4)).toBe(ip.length - 40);
  const segment = ip.subarray(version === 4 ? 20 : 40);
  expect(sum(Buffer.concat([pseudoHeader(frame, version), segment]))).toBe(0xffff);
}

describe('TCP packets', () => {
  test('are cut into whole frames that carry the same bytes in order', () => {
    const made = fc.record({
      version: fc.constantFrom(4 as const, 6 as const),
      payload: fc.uint8Array({ maxLength: 3000 }),
      gsoSize: fc.integer({ min: 48, max: 1460 }),
      optionBytes: fc.constantFrom(0, 12, 40),
    });
    fc.assert(
      fc.property(made, (settings) => {
        const { version, payload, gsoSize } = settings;
        const frames = adapt(tcpPacket(settings), NO_OFFLOADS).map(frameOf);
        const parts = frames.map((frame) => frame.subarray(headerBytes(settings)));
        expect(Buffer.compare(Buffer.concat(parts), payload)).toBe(0);
        frames.forEach((frame, index) => {
          expectWhole(frame, version);
          const tcp = Buffer.from(frame.subarray(headerBytes(settings) - TCP - settings.optionBytes));
          expect(parts[index]!.length).toBeLessThanOrEqual(gsoSize);
          expect(tcp.readUInt32BE(4)).toBe((0xffff_fff0 + index * gsoSize) % 2 ** 32);
          const isLast = index === frames.length - 1;
          expect(tcp[13]).toBe((index === 0 ? 0x80 : 0) | 0x10 | (isLast ? 0x09 : 0));
          if (version === 4) expect(Buffer.from(frame).readUInt16BE(ETHERNET + 4)).toBe((0xfffe + index) % 2 ** 16);
        });
      }),
    );
  });

  test('go to those who take them as they are', () => {
    const packet = tcpPacket({ version: 4, payload: new Uint8Array(3000), gsoSize: 1000 });
    expect(adapt(packet, ALL)).toEqual([packet]);
    expect(adapt(packet, { ...ALL, tcp4: false })).toHaveLength(3);
    expect(adapt(packet, { ...ALL, tcp6: false })).toEqual([packet]);
  });
});

test('a checksum is finished for those who need it', () => {
  const packet = tcpPacket({ version: 4, payload: Uint8Array.of(1, 2, 3), gsoSize: 0 });
  packet[1] = 0;
  expect(adapt(packet, { ...ALL, tcp4: false })).toEqual([packet]);
  const [whole, ...more] = adapt(packet, NO_OFFLOADS);
  expect(more).toEqual([]);
  expect([...whole!.subarray(0, OFFLOAD_HEADER_BYTES)]).toEqual([...new Uint8Array(OFFLOAD_HEADER_BYTES)]);
  const frame = frameOf(whole!);
  expect(sum(Buffer.concat([pseudoHeader(frame, 4), frame.subarray(34)]))).toBe(0xffff);
});

test('whole frames stay as they are', () => {
  const packet = packetOf(Uint8Array.from({ length: 60 }, (_, i) => i));
  expect(adapt(packet, NO_OFFLOADS)).toEqual([packet]);
});

test.each<[string, (packet: Uint8Array) => void]>([
  ['an unknown flag', (p) => (p[0] = 3)],
  ['an unknown kind of packet', (p) => (p[1] = 3)],
  ['no checksum to finish', (p) => (p[0] = 0)],
  ['tiny segments', (p) => p.set([47, 0], 4)],
  ['a checksum before the IP header', (p) => p.set([20, 0], 6)],
  ['a checksum beyond its end', (p) => p.set([0xff, 0xff], 6)],
  ['a checksum that is not that of TCP', (p) => p.set([6, 0], 8)],
  ['a TCP header that is too short', (p) => (p[OFFLOAD_HEADER_BYTES + 34 + 12] = 0x40)],
])("a packet with %s is nobody's", (_, spoil) => {
  const packet = tcpPacket({ version: 4, payload: new Uint8Array(200), gsoSize: 100 });
  expect(isSound(packet)).toBe(true);
  spoil(packet);
  expect(isSound(packet)).toBe(false);
  expect(adapt(packet, ALL)).toEqual([]);
});

test('garbage throws nothing, and little does not become much', () => {
  const packet = tcpPacket({ version: 4, payload: new Uint8Array(300), gsoSize: 100 });
  const change = fc.record({ at: fc.nat(80), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat(packet.length), (changes, length) => {
      const garbage = packet.slice(0, length);
      for (const { at, value } of changes) if (at < length) garbage[at] = value;
      const bytes = adapt(garbage, NO_OFFLOADS).reduce((total, each) => total + each.length, 0);
      expect(bytes).toBeLessThanOrEqual(garbage.length * 5);
    }),
    { numRuns: 1000 },
  );
});
