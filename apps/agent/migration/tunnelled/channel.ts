/**
 * Tunnelled migrations: every connection between the two VMMs goes through their agents, to one port of the destination's
 * host, in TLS by which both hosts show certificates.
 *
 *     source VMM ── Unix socket ── source's agent ══ TLS ══ destination's agent ── 127.0.0.1 ── destination VMM
 *
 * Each is a connection of its own, so that a page that somebody waits for is not behind others. It begins with a greeting
 * in one line of JSON; the answer is `ok` or a reason, in one line.
 */
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import { z } from 'zod';
import { Id } from '#contracts';
import type { TlsCredentials } from '#hypervisor';

export const Greeting = z.object({
  migrationId: Id,
  /** memory: pages and all that belongs to them; disks: the NBD server. */
  channel: z.enum(['memory', 'disks']),
  ticket: z.string().max(200),
});
export type Greeting = z.infer<typeof Greeting>;
export type Channel = Greeting['channel'];

export const ACCEPTED = 'ok';
/** How long either side waits for the other to connect, prove who it is, and say its line. */
export const OPENING_MS = 10_000;
const MAX_LINE_BYTES = 2048;
const PREFIX = 'tunnel:';

/** What a destination's agent calls the place where it waits: tunnel:HOST:PORT. */
export const tunnelUri = (host: string, port: number): string => `${PREFIX}${host}:${port}`;

/** Null if it is another kind of place. */
export function tunnelTarget(uri: string): { readonly host: string; readonly port: number } | null {
  const [, host, port] = /^tunnel:(.+):(\d{1,5})$/.exec(uri) ?? [];
  return port === undefined ? null : { host: host!.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/** Version 1.3 (RFC 8446) alone: both ends are agents. */
export const contextOf = ({ authority, certificate, privateKey }: TlsCredentials): SecureContextOptions => ({
  ca: authority,
  cert: certificate,
  key: privateKey,
  minVersion: 'TLSv1.3',
});

/** The peer's first line, after which it says nothing until it is answered. Rejects if it says more, or leaves. */
export function readLine(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const take = (chunk: Buffer) => {
      line += chunk.toString('latin1');
      const end = line.indexOf('\n');
      if (end < 0 && line.length <= MAX_LINE_BYTES) return;
      stream.pause().off('data', take);
      if (end === line.length - 1) resolve(line.slice(0, end));
      else reject(new Error('that is no greeting of a tunnelled migration'));
    };
    stream.on('data', take);
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the connection was closed')));
  });
}
