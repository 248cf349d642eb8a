import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { StreamMessage } from '#contracts';
import { type Change, ChangeFeed, Database } from '#database';
import { clusterView } from '../clusters/cluster.view.js';
import { hostView } from '../hosts/host.view.js';
import type { Response } from '../http/messages.js';
import { type Log, LOG } from '../log.js';
import { migrationView } from '../migrations/migration.view.js';
import { planView } from '../plans/plan.view.js';
import { vmView } from '../vms/vm.view.js';
import { eventView } from './event.view.js';

/** Changes are gathered this long, so that a row that changes often is sent once. */
const GATHER_MS = 200;
const HEARTBEAT_MS = 15_000;
/** A reader that is so far behind is cut off; it comes back and gets the state as it is. */
const MAX_BACKLOG_BYTES = 8 * 2 ** 20;
const MAX_REPLAY = 1000;

/** Someone who listens. What comes while the snapshot is being sent waits. */
interface Listener {
  readonly response: Response;
  waiting: string[] | null;
}

/** What changed in the database, by whatever controller, to everyone who listens. */
@Injectable()
export class EventStream implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly listeners = new Set<Listener>();
  private readonly changed = new Map<string, Change>();
  private readonly timers: NodeJS.Timeout[] = [];
  private flushing = false;

  constructor(
    private readonly db: Database,
    private readonly feed: ChangeFeed,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.feed.on('change', (change) => {
      if (this.listeners.size > 0) this.changed.set(`${change.resource} ${change.id}`, change);
    });
    this.feed.on('reset', () => this.dropAll()); // something may have been missed: they come back for a snapshot
    this.timers.push(
      setInterval(() => void this.flush(), GATHER_MS),
      setInterval(() => this.write(': still here\n\n'), HEARTBEAT_MS),
    );
  }

  /** Streams never end by themselves, and the server waits for its requests. */
  beforeApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.dropAll();
  }

  /** Sends to `response` until it is closed. */
  async open(response: Response, lastEventId: string | undefined): Promise<void> {
    const listener: Listener = { response, waiting: [] };
    this.listeners.add(listener);
    response.on('close', () => this.listeners.delete(listener));
    try {
      const snapshot = await this.snapshot();
      const missed = lastEventId ? await this.db.events.after(lastEventId, MAX_REPLAY) : [];
      const events = missed.map((event): StreamMessage => ({ kind: 'event', data: eventView(event) }));
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-cache, no-transform',
        'X-Accel-Buffering': 'no',
      });
      response.write([...snapshot, ...events].map(frame).join('') || ': nothing yet\n\n');
      response.write(listener.waiting!.join(''));
      listener.waiting = null;
    } catch (error) {
      this.listeners.delete(listener);
      throw error;
    }
  }

  private async snapshot(): Promise<StreamMessage[]> {
    const { clusters, hosts, vms, migrations } = this.db;
    const [allClusters, allHosts, allVms, active] = [
      await clusters.all(),
      await hosts.all(),
      await vms.all(),
      await migrations.active(),
    ];
    const usageOf = await hosts.usage(allHosts.map(({ id }) => id));
    return [
      ...allClusters.map((row): StreamMessage => ({ kind: 'cluster', data: clusterView(row) })),
      ...allHosts.map((row): StreamMessage => ({ kind: 'host', data: hostView(row, usageOf(row.id)) })),
      ...allVms.map((row): StreamMessage => ({ kind: 'vm', data: vmView(row) })),
      ...active.map((row): StreamMessage => ({ kind: 'migration', data: migrationView(row) })),
    ];
  }

  private async flush(): Promise<void> {
    if (this.flushing || this.changed.size === 0) return;
    this.flushing = true;
    const changes = [...this.changed.values()];
    this.changed.clear();
    try {
      this.write((await this.messagesOf(changes)).map(frame).join(''));
    } catch (error) {
      this.log.warn({ err: error }, 'the event stream missed changes; its listeners have to come back');
      this.dropAll();
    } finally {
      this.flushing = false;
    }
  }

  /** What rows say now. A notice alone proves nothing, not even that a row is gone: every database role may notify. */
  private async messagesOf(changes: readonly Change[]): Promise<StreamMessage[]> {
    const ids = (resource: Change['resource']) =>
      changes.filter((change) => change.resource === resource).map(({ id }) => id);
    const clusters = await this.db.clusters.byIds(ids('cluster'));
    const hosts = await this.db.hosts.byIds(ids('host'));
    const usageOf = await this.db.hosts.usage(hosts.map(({ id }) => id));
    const vms = await this.db.vms.byIds(ids('vm'));
    const present = new Set([...clusters, ...hosts, ...vms].map(({ id }) => id));
    return [
      ...changes.flatMap(({ resource, deleted, id }): StreamMessage[] =>
        deleted && !present.has(id) && (resource === 'cluster' || resource === 'host' || resource === 'vm')
          ? [{ kind: 'deleted', data: { resource, id } }]
          : [],
      ),
      ...clusters.map((row): StreamMessage => ({ kind: 'cluster', data: clusterView(row) })),
      ...hosts.map((row): StreamMessage => ({ kind: 'host', data: hostView(row, usageOf(row.id)) })),
      ...vms.map((row): StreamMessage => ({ kind: 'vm', data: vmView(row) })),
      ...(await this.db.migrations.byIds(ids('migration'))).map((row): StreamMessage => ({
        kind: 'migration',
        data: migrationView(row),
      })),
      ...(await this.db.plans.wholeByIds(ids('plan'))).map((row): StreamMessage => ({
        kind: 'plan',
        data: planView(row),
      })),
      ...(await this.db.events.byIds(ids('event'))).map((row): StreamMessage => ({
        kind: 'event',
        data: eventView(row),
      })),
    ];
  }

  private write(text: string): void {
    if (text === '') return;
    for (const listener of this.listeners) {
      if (listener.waiting) listener.waiting.push(text);
      else if (listener.response.writableLength > MAX_BACKLOG_BYTES) listener.response.destroy();
      else listener.response.write(text);
    }
  }

  private dropAll(): void {
    for (const { response } of this.listeners) response.end();
    this.listeners.clear();
  }
}

const frame = ({ kind, data }: StreamMessage): string =>
  `${kind === 'event' ? `id: ${data.id}\n` : ''}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
