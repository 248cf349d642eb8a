/**
 * What hosts say to each other over a tunnel: packets as in framing.ts, whose first byte says what follows. The host that
 * connects sends frames; the one that listens says which networks it wants them of.
 *
 *     1  length of name (1 byte), name of network (UTF-8), frame
 *     2  names of networks, as a JSON list
 */
import { FramingError, MAX_FRAME_BYTES, prefixOf } from './framing.js';

const FRAME = 1;
const NETWORKS = 2;
const MAX_NAME_BYTES = 255;
const HEADER_BYTES = 2;

/** The most that follows a packet's length. */
export const MAX_TUNNEL_BYTES = HEADER_BYTES + MAX_NAME_BYTES + MAX_FRAME_BYTES;

export type TunnelMessage =
  | { readonly kind: 'frame'; readonly network: string; readonly frame: Uint8Array }
  | { readonly kind: 'networks'; readonly networks: readonly string[] };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** What goes before a frame of `frameBytes`, length included. */
export function tunnelFrameHeader(network: string, frameBytes: number): Uint8Array {
  const name = encoder.encode(network);
  const header = new Uint8Array(4 + HEADER_BYTES + name.length);
  header.set(prefixOf(HEADER_BYTES + name.length + frameBytes));
  header.set([FRAME, name.length], 4);
  header.set(name, 4 + HEADER_BYTES);
  return header;
}

export function tunnelNetworks(networks: readonly string[]): Uint8Array {
  const list = encoder.encode(JSON.stringify(networks));
  const packet = new Uint8Array(5 + list.length);
  packet.set(prefixOf(1 + list.length));
  packet[4] = NETWORKS;
  packet.set(list, 5);
  return packet;
}

/** Reads a packet without its length. Throws a FramingError on one that cannot be. */
export function readTunnelMessage(content: Uint8Array): TunnelMessage {
  const [kind, nameBytes = 0] = content;
  const end = HEADER_BYTES + nameBytes;
  if (kind === FRAME && content.length >= end) {
    return { kind: 'frame', network: textOf(content.subarray(HEADER_BYTES, end)), frame: content.subarray(end) };
  }
  if (kind === NETWORKS) return { kind: 'networks', networks: listOf(textOf(content.subarray(1))) };
  throw new FramingError(`a tunnel message of kind ${kind} and ${content.length} bytes`);
}

function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new FramingError('a tunnel message whose text is not UTF-8');
  }
}

function listOf(text: string): string[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((name) => typeof name === 'string')) return list;
  } catch {
    // the same as a list of something else
  }
  throw new FramingError(`a list of networks that is none: ${text.slice(0, 100)}`);
}
