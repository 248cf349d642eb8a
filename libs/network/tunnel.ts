/**
 * What hosts say to each other over a tunnel: messages as in framing.ts, whose first byte says what follows. The host that
 * connects sends frames; the one that listens says which networks it wants them of.
 *
 *     1  length of name (1 byte), name of network (UTF-8), packet as in offload.ts
 *     2  names of networks, as a JSON list
 */
import { FramingError, MAX_FRAME_BYTES, prefixOf } from './framing.js';

const PACKET = 1;
const NETWORKS = 2;
const MAX_NAME_BYTES = 255;
const HEADER_BYTES = 2;

/** The most that follows a message's length. */
export const MAX_TUNNEL_BYTES = HEADER_BYTES + MAX_NAME_BYTES + MAX_FRAME_BYTES;

export type TunnelMessage =
  | { readonly kind: 'packet'; readonly network: string; readonly packet: Uint8Array }
  | { readonly kind: 'networks'; readonly networks: readonly string[] };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** What goes before a packet of `packetBytes`, length included. */
export function tunnelHeader(network: string, packetBytes: number): Uint8Array {
  const name = encoder.encode(network);
  const header = new Uint8Array(4 + HEADER_BYTES + name.length);
  header.set(prefixOf(HEADER_BYTES + name.length + packetBytes));
  header.set([PACKET, name.length], 4);
  header.set(name, 4 + HEADER_BYTES);
  return header;
}

export function tunnelNetworks(networks: readonly string[]): Uint8Array {
  const list = encoder.encode(JSON.stringify(networks));
  const message = new Uint8Array(5 + list.length);
  message.set(prefixOf(1 + list.length));
  message[4] = NETWORKS;
  message.set(list, 5);
  return message;
}

/** Reads a message without its length. Throws a FramingError on one that cannot be. */
export function readTunnelMessage(content: Uint8Array): TunnelMessage {
  const [kind, nameBytes = 0] = content;
  const end = HEADER_BYTES + nameBytes;
  if (kind === PACKET && content.length >= end) {
    return { kind: 'packet', network: textOf(content.subarray(HEADER_BYTES, end)), packet: content.subarray(end) };
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
