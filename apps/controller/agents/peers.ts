import { Injectable } from '@nestjs/common';
import type { Peer } from '#contracts';
import { Database } from '#database';
import { SecretBox, tunnelKey } from '../auth/secrets.js';

/** The other hosts of a host's cluster, with the keys to their switches. */
@Injectable()
export class Peers {
  /** Keys by pair of hosts: asked for each second, they are made once. */
  private readonly keys = new Map<string, { readonly sealedToken: Buffer; readonly key: string }>();

  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  async of(hostId: string): Promise<Peer[]> {
    const others = await this.db.hosts.tunnelsBeside(hostId);
    return others.map((other) => ({
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
