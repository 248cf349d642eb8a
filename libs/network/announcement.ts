/** How a NIC that has moved tells switches where it is now: QEMU's announcement of itself (net/announce.c). */
import { macBytes, type Mac } from './mac.js';

/** Shortest Ethernet frame, without its checksum. */
const MIN_FRAME_BYTES = 60;
const REVERSE_REQUEST = 3;

/** A RARP request (RFC 903) for the NIC's own address, to everybody: switches learn from it, guests ignore it. */
export function rarpAnnouncement(mac: Mac): Uint8Array {
  const frame = new Uint8Array(MIN_FRAME_BYTES);
  const own = macBytes(mac);
  frame.fill(0xff, 0, 6);
  frame.set(own, 6);
  frame.set([0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, REVERSE_REQUEST], 12); // RARP; Ethernet, IPv4
  frame.set(own, 22); // sender
  frame.set(own, 32); // target
  return frame;
}

/** QEMU's AnnounceParameters (qapi/net.json), in milliseconds. */
export interface AnnounceParameters {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly rounds: number;
  readonly stepMs: number;
}

export const ANNOUNCE_DEFAULTS: AnnounceParameters = { initialMs: 50, maxMs: 550, rounds: 5, stepMs: 100 };

/** Pauses between the announcements, one fewer than rounds: a frame may get lost, or be overtaken by an older one. */
export function announcePausesMs({ initialMs, maxMs, rounds, stepMs }: AnnounceParameters): number[] {
  return Array.from({ length: Math.max(0, rounds - 1) }, (_, i) => Math.min(maxMs, initialMs + i * stepMs));
}
