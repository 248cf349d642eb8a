/**
 * Work on frames that one end leaves to the other: checksums of TCP and UDP, and cutting large TCP packets into frames.
 * Between two guests that can, neither is ever done. A packet here is a frame behind struct virtio_net_hdr (virtio 1.2,
 * section 5.1.6), as a guest with VIRTIO_NET_F_CSUM and _HOST_TSO4/6 gives it to its card:
 *
 *     0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset   10 num_buffers   12 frame
 */

export const OFFLOAD_HEADER_BYTES = 12;

const NEEDS_CSUM = 1;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_ECN = 0x80;

const ETHERNET_BYTES = 14;
const MIN_TCP_BYTES = 20;
const MAX_TCP_BYTES = 60;
/** Linux's least segment size (tcp_min_snd_mss); what is cut smaller costs more than it is worth. */
const MIN_SEGMENT_BYTES = 48;
const TCP_PROTOCOL = 6;
const TCP_CHECKSUM = 16;
const TCP_FLAGS = 13;
const FIN_PSH = 0x09;
const CWR = 0x80;

/** What a receiver can take as it is. */
export interface Offloads {
  /** Frames without a whole checksum. */
  readonly checksum: boolean;
  /** TCP packets that are longer than a frame. */
  readonly tcp4: boolean;
  readonly tcp6: boolean;
}

export const NO_OFFLOADS: Offloads = { checksum: false, tcp4: false, tcp6: false };

/** A whole frame as a packet. */
export function packetOf(frame: Uint8Array): Uint8Array {
  const packet = new Uint8Array(OFFLOAD_HEADER_BYTES + frame.length);
  packet.set(frame, OFFLOAD_HEADER_BYTES);
  return packet;
}

export const frameOf = (packet: Uint8Array): Uint8Array => packet.subarray(OFFLOAD_HEADER_BYTES);

/** False: its header promises what the frame does not hold, and nobody may get it. */
export function isSound(packet: Uint8Array): boolean {
  if (packet.length < OFFLOAD_HEADER_BYTES) return false;
  const { gso, needsChecksum, gsoSize, start, offset } = headerOf(packet);
  const frame = frameOf(packet);
  if (packet[0]! & ~NEEDS_CSUM) return false;
  if (needsChecksum && (start < ETHERNET_BYTES || start + offset + 2 > frame.length)) return false;
  if (gso === GSO_NONE) return true;
  const ipBytes = { [GSO_TCPV4]: 20, [GSO_TCPV6]: 40 }[gso];
  if (ipBytes === undefined || !needsChecksum || offset !== TCP_CHECKSUM || gsoSize < MIN_SEGMENT_BYTES) return false;
  if (start < ETHERNET_BYTES + ipBytes || start + MIN_TCP_BYTES > frame.length) return false;
  const tcpBytes = tcpHeaderBytes(frame, start);
  return tcpBytes >= MIN_TCP_BYTES && tcpBytes <= MAX_TCP_BYTES && start + tcpBytes <= frame.length;
}

/** The packets that a receiver gets who can do `offloads`: the same, or what is left to do is done. None if not sound. */
export function adapt(packet: Uint8Array, offloads: Offloads): Uint8Array[] {
  if (!isSound(packet)) return [];
  const { gso, needsChecksum } = headerOf(packet);
  if (gso === GSO_TCPV4 ? !offloads.tcp4 : gso === GSO_TCPV6 && !offloads.tcp6) {
    return segments(packet).map((frame) => packetOf(frame));
  }
  return needsChecksum && !offloads.checksum ? [packetOf(withChecksum(packet))] : [packet];
}

function headerOf(packet: Uint8Array) {
  const view = new DataView(packet.buffer, packet.byteOffset, OFFLOAD_HEADER_BYTES);
  return {
    needsChecksum: (packet[0]! & NEEDS_CSUM) !== 0,
    gso: packet[1]! & ~GSO_ECN,
    gsoSize: view.getUint16(4, true),
    /** Where the checksum begins, in the frame, and where it goes, from there. */
    start: view.getUint16(6, true),
    offset: view.getUint16(8, true),
  };
}

const tcpHeaderBytes = (frame: Uint8Array, start: number): number => (frame[start + 12]! >> 4) * 4;

/** The frame with its checksum: so far the field holds the sum of the pseudo header. */
function withChecksum(packet: Uint8Array): Uint8Array {
  const { start, offset } = headerOf(packet);
  const frame = frameOf(packet).slice();
  const sum = ~fold(sumOf(frame, start, frame.length)) & 0xffff;
  put16(frame, start + offset, sum === 0 ? 0xffff : sum); // in UDP, 0 means none (RFC 768)
  return frame;
}

/** TCP segments of at most gso_size bytes, each a frame of its own, as a card cuts them. */
function segments(packet: Uint8Array): Uint8Array[] {
  const { gso, gsoSize, start } = headerOf(packet);
  const frame = frameOf(packet);
  const headerBytes = start + tcpHeaderBytes(frame, start);
  const payload = frame.subarray(headerBytes);
  const count = Math.max(1, Math.ceil(payload.length / gsoSize));
  return Array.from({ length: count }, (_, index) => {
    const part = payload.subarray(index * gsoSize, (index + 1) * gsoSize);
    const segment = new Uint8Array(headerBytes + part.length);
    segment.set(frame.subarray(0, headerBytes));
    segment.set(part, headerBytes);
    finishTcp(segment, start, index * gsoSize, { isFirst: index === 0, isLast: index === count - 1 });
    if (gso === GSO_TCPV4) finishIpv4(segment, start, index);
    else finishIpv6(segment, start);
    return segment;
  });
}

function finishTcp(
  segment: Uint8Array,
  start: number,
  sequence: number,
  { isFirst, isLast }: { isFirst: boolean; isLast: boolean },
): void {
  const view = new DataView(segment.buffer);
  view.setUint32(start + 4, view.getUint32(start + 4) + sequence);
  if (!isFirst) segment[start + TCP_FLAGS]! &= ~CWR;
  if (!isLast) segment[start + TCP_FLAGS]! &= ~FIN_PSH;
}

function finishIpv4(segment: Uint8Array, start: number, index: number): void {
  const ip = ETHERNET_BYTES;
  put16(segment, ip + 2, segment.length - ip);
  put16(segment, ip + 4, (get16(segment, ip + 4) + index) & 0xffff);
  put16(segment, ip + 10, 0);
  put16(segment, ip + 10, ~fold(sumOf(segment, ip, start)) & 0xffff);
  finishTcpChecksum(segment, start, sumOf(segment, ip + 12, ip + 20));
}

function finishIpv6(segment: Uint8Array, start: number): void {
  const ip = ETHERNET_BYTES;
  put16(segment, ip + 4, segment.length - ip - 40);
  finishTcpChecksum(segment, start, sumOf(segment, ip + 8, ip + 40));
}

function finishTcpChecksum(segment: Uint8Array, start: number, addresses: number): void {
  put16(segment, start + TCP_CHECKSUM, 0);
  const sum = addresses + TCP_PROTOCOL + (segment.length - start) + sumOf(segment, start, segment.length);
  put16(segment, start + TCP_CHECKSUM, ~fold(sum) & 0xffff);
}

const get16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
}

/** Sum of 16-bit words (RFC 1071), not folded; a last single byte counts as the higher one. */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  const even = to - ((to - from) & 1);
  for (let at = from; at < even; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  return even < to ? sum + (bytes[even]! << 8) : sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded & 0xffff);
  return folded;
}
