import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { HeartbeatAnswer, Peer } from '#contracts';
import { Database, type Host, type Tunnel } from '#database';
import { SecretBox, tunnelKey } from '../auth/secrets.js';

/** A new host is told to the others so much later at most. */
const LOOK_EVERY_MS = 1000;

interface Seen {
  readonly atMs: number;
  readonly tunnels: readonly Tunnel[];
  readonly digest: string;
}

/** The other hosts of a host's cluster, with the keys to their switches; told again when they are others than before. */
@Injectable()
export class Peers {
  /** By cluster: all of its hosts ask each second. */
  private readonly seen = new Map<string, Seen>();
  /** Keys by pair of hosts: they are made once. */
  private readonly keys = new Map<string, { readonly sealedToken: Buffer; readonly key: string }>();

  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  /** What a host is answered that told the digest `known`. */
  async answer(
    { id, clusterId }: Pick<Host, 'id' | 'clusterId'>,
    known: string | null,
    now: Date,
  ): Promise<Pick<HeartbeatAnswer, 'peers' | 'peersDigest'>> {
    const { digest, tunnels } = await this.look(clusterId, now.getTime());
    return { peers: known === digest ? null : this.peersOf(id, tunnels), peersDigest: digest };
  }

  private async look(clusterId: string, nowMs: number): Promise<Seen> {
    const last = this.seen.get(clusterId);
    if (last && Math.abs(nowMs - last.atMs) < LOOK_EVERY_MS) return last;
    const tunnels = await this.db.hosts.tunnels(clusterId);
    const digest = createHash('sha256').update(JSON.stringify(tunnels)).digest('base64url');
    const seen = { atMs: nowMs, tunnels, digest };
    this.seen.set(clusterId, seen);
    return seen;
  }

  private peersOf(hostId: string, tunnels: readonly Tunnel[]): Peer[] {
    return tunnels
      .filter((other) => other.hostId !== hostId)
      .map((other) => ({
        hostId: other.hostId,
        address: other.tunnelAddress,
        key: this.keyFrom(hostId, other.hostId, other.agentTokenEncrypted),
      }));
  }

  private keyFrom(from: string, to: string, sealedToken: Buffer): string {
    const pair = `${from}:${to}`;
    const known = this.keys.get(pair);
    if (known?.sealedToken.equals(sealedToken)) return known.key;
    const key = tunnelKey(this.box.open(sealedToken), from, to);
    this.keys.set(pair, { sealedToken, key });
    return key;
  }
}
