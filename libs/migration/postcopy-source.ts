/**
 * The source of a migration after COMMIT, in post-copy: it has pages that the guest misses, and sends them, those first
 * that somebody waits for. It never runs the guest again. protocol.ts shows the stream.
 */
import type { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { Lanes } from './lanes.js';
import { giveUpLanes, loss } from './lanes.js';
import type { BandwidthLimiter } from './limiter.js';
import type { PendingPages } from './pending-pages.js';
import type { Clock } from './ports.js';
import type { MessageType } from './protocol.js';
import { URGENT_PAGES } from './scratch.js';

/** Pages of a batch in the background: few, since a page that somebody waits for comes no sooner than the batch is packed. */
const BACKGROUND_PAGES = 16;

export type PostcopyStatus = 'postcopy-active' | 'postcopy-paused' | 'postcopy-recover';

export interface PostcopySourceOptions {
  readonly clock: Clock;
  readonly pending: PendingPages;
  readonly limiter: BandwidthLimiter;
  /** Number of the pass that these pages belong to. */
  readonly iteration: number;
  /** How long the destination may take no data, or leave a question without answer. */
  readonly patienceMs: number;
  /** How long a pause may last. */
  readonly recoverMs: () => number;
  readonly onStatus: (status: PostcopyStatus, error: MigrationError | null) => void;
  readonly onSent: (pages: number, zeroPages: number, bytes: number) => void;
  readonly onRequests: (pages: number) => void;
  /** The destination says that the guest runs there. */
  readonly onRunning: (resumeMs: number) => void;
}

/** Opens both connections again; what is missing there according to the destination comes with them. */
export type Recover = () => Promise<{ readonly lanes: Lanes; readonly missing: Uint8Array }>;

export class PostcopySource {
  private lanes: Lanes | null = null;
  private resumed: ((recover: Recover) => void) | null = null;

  constructor(private readonly options: PostcopySourceOptions) {}

  /**
   * Resolves when the destination has everything. Whatever happens to the connections, it waits for new ones; rejects with
   * MigrationError `destination_lost` when none came in time.
   */
  async run(first: Lanes): Promise<void> {
    let lanes: Lanes | null = first;
    for (;;) {
      const error = await this.serve(lanes);
      if (!error) return;
      lanes = await this.recovered(error);
    }
  }

  /** Gives the connections up, as if they were lost. False if there are none. */
  pause(): boolean {
    if (!this.lanes) return false;
    this.lanes.main.fail(new MigrationError('paused', 'paused by request'));
    return true;
  }

  /** Goes on over new connections. False if it is not paused. */
  resume(recover: Recover): boolean {
    const { resumed } = this;
    this.resumed = null;
    resumed?.(recover);
    return resumed !== null;
  }

  /** Why the connections are of no use any more; null if the destination has everything. */
  private async serve(lanes: Lanes): Promise<MigrationError | null> {
    this.lanes = lanes;
    this.options.onStatus('postcopy-active', null);
    const { main, urgent } = lanes;
    const lost = loss(lanes);
    const work = [this.sendInBackground(main).then(() => lost), this.serveRequests(urgent), this.awaitCompletion(main)];
    try {
      await Promise.race([lost, ...work]);
      this.lanes = null;
      await Promise.all([main.close(), urgent.close()]);
      return null;
    } catch (thrown) {
      const error = asMigrationError(thrown, 'machine');
      this.lanes = null;
      await giveUpLanes(lanes, error);
      await Promise.allSettled(work); // nobody takes pages any more
      return error;
    }
  }

  /** Waits to be told of new connections; says in between why there are none. */
  private async recovered(cause: MigrationError): Promise<Lanes> {
    const { clock, recoverMs, onStatus, pending } = this.options;
    let error = cause;
    const deadlineMs = clock.now() + recoverMs();
    for (;;) {
      onStatus('postcopy-paused', error);
      const recover = await this.nextRecover(deadlineMs, error);
      onStatus('postcopy-recover', error);
      try {
        const { lanes, missing } = await recover();
        pending.replace(missing);
        return lanes;
      } catch (thrown) {
        error = asMigrationError(thrown, 'machine');
      }
    }
  }

  private async nextRecover(deadlineMs: number, cause: MigrationError): Promise<Recover> {
    const { clock } = this.options;
    const told = new AbortController();
    const next = new Promise<Recover>((resolve) => (this.resumed = resolve));
    const late = clock.sleep(Math.max(0, deadlineMs - clock.now()), told.signal).then(() => {
      const text = `the guest runs at the destination in part, which did not come back: ${cause.message}`;
      throw new MigrationError('destination_lost', text);
    });
    try {
      return await Promise.race([next, late]);
    } finally {
      this.resumed = null;
      told.abort();
      late.catch(() => undefined); // the sleep that was cut short
    }
  }

  private async sendInBackground(main: Connection): Promise<void> {
    const { clock, pending, limiter, patienceMs } = this.options;
    for (;;) {
      await limiter.ready(main.signal);
      const slot = await main.slot(patienceMs);
      const pages = pending.takeBatchAround(BACKGROUND_PAGES);
      if (pages === 0) return;
      limiter.spend(this.send(main, pages, slot));
      await clock.breathe(); // requests come first
    }
  }

  private async serveRequests(urgent: Connection): Promise<never> {
    const { pending, patienceMs, onRequests } = this.options;
    for (;;) {
      const { pages } = await urgent.expect('REQUEST');
      onRequests(pages.length);
      for (const page of pages) {
        const slot = await urgent.slot(patienceMs);
        pending.takePage(page);
        this.send(urgent, 1, slot);
        await this.sendBehind(urgent, page);
      }
    }
  }

  /** Most guests go on to the next pages: these follow at once, at the expense of the background. */
  private async sendBehind(urgent: Connection, page: number): Promise<void> {
    const { pending, limiter, patienceMs } = this.options;
    const slot = await urgent.slot(patienceMs);
    const pages = pending.takeBehind(page, URGENT_PAGES);
    if (pages > 0) limiter.spend(this.send(urgent, pages, slot));
  }

  private send(connection: Connection, pages: number, slot: number): number {
    const { pending, iteration, onSent } = this.options;
    const { bytes, zeroPages } = pending.pack(pages, iteration, slot);
    connection.writer.sendBatch(bytes);
    onSent(pages, zeroPages, bytes);
    return bytes;
  }

  private async awaitCompletion(main: Connection): Promise<void> {
    for (;;) {
      const message = await main.next();
      if (message.type === 'COMPLETE') return;
      if (message.type === 'RUNNING') this.options.onRunning(message.body.resumeMs);
      else throw unexpected(message.type);
    }
  }
}

const unexpected = (type: MessageType) =>
  new MigrationError('malformed', `the destination sent ${type} in the midst of post-copy`);
