import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

export interface Change {
  readonly resource: 'cluster' | 'host' | 'vm' | 'migration' | 'plan' | 'event';
  readonly deleted: boolean;
  readonly id: string;
}

const PAYLOAD = /^(cluster|host|vm|migration|plan|event) (insert|update|delete) ([0-9a-f-]{1,36})$/;
const RETRY_MS = 1000;

interface Events {
  change: [Change];
  /** Changes may have been missed: the connection was lost and is back. */
  reset: [];
  error: [Error];
}

/**
 * What any controller changes in the tables that people watch, in the order of commits (LISTEN/NOTIFY; the triggers are
 * in the migrations). Holds one connection, and opens another one when it is lost.
 */
export class ChangeFeed extends EventEmitter<Events> {
  private client: Client | undefined;
  private closed = false;

  constructor(private readonly url: string) {
    super();
  }

  /** Rejects if the database cannot be reached. */
  async open(): Promise<void> {
    const client = new Client({ connectionString: this.url, application_name: 'drover-changes', keepAlive: true });
    client.on('notification', ({ payload = '' }) => {
      const [, resource, operation, id] = PAYLOAD.exec(payload) ?? [];
      if (resource) this.emit('change', { resource, deleted: operation === 'delete', id } as Change);
    });
    client.on('error', (error) => !this.closed && this.emit('error', error));
    client.on('end', () => void this.reopen(client));
    await client.connect();
    await client.query('LISTEN drover');
    this.client = client;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.client?.end();
  }

  private async reopen(lost: Client): Promise<void> {
    if (this.closed || this.client !== lost) return;
    this.client = undefined;
    while (!this.closed) {
      await sleep(RETRY_MS, undefined, { ref: false });
      try {
        await this.open();
        this.emit('reset');
        return;
      } catch (error) {
        this.emit('error', error as Error);
      }
    }
  }
}
