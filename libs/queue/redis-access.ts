import { Redis } from 'ioredis';
import { QUEUE_PREFIX, queueName } from './names.js';

/**
 * Commands that a BullMQ worker sends, and those that its scripts call: everything on keys, scripts, and what a
 * connection needs to introduce itself. None of them reaches beyond the keys that the user may touch.
 */
const COMMANDS = `
  -@all +@keyspace +@string +@list +@hash +@set +@sortedset +@stream +@scripting +@blocking -@dangerous -@admin
  +sort +info +ping +auth +hello +select +time +client|setname +client|id -script|flush -script|kill -function`
  .trim()
  .split(/\s+/);

/** The users of agents on a Redis: each reaches the keys of its own host's queue and nothing else. */
export class RedisAccess {
  private readonly client: Redis;

  /** `onConnect` is called after each connection: Redis forgets users when it restarts, so they are granted anew. */
  constructor(url: string, onConnect: () => Promise<void>, onError: (error: Error) => void) {
    this.client = new Redis(url, { maxRetriesPerRequest: 1 });
    this.client.on('error', onError);
    this.client.on('ready', () => onConnect().catch(onError));
  }

  /** Lets the host's agent in with the password of which this is the SHA-256 in hex, and with no older one. */
  async grant(hostId: string, passwordSha256: string): Promise<void> {
    const name = queueName(hostId);
    const keys = `~${QUEUE_PREFIX}:${name}:*`;
    await this.client.acl('SETUSER', name, 'reset', 'on', `#${passwordSha256}`, keys, 'resetchannels', ...COMMANDS);
  }

  async revoke(hostId: string): Promise<void> {
    await this.client.acl('DELUSER', queueName(hostId));
  }

  close(): void {
    this.client.disconnect();
  }
}
