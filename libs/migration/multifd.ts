/**
 * Several connections for pages alone, as QEMU's multifd. The first connection, with the messages, says how a pass went;
 * on each of the others a SYNC ends it, and only when the destination has them all the next pass begins. So of the same
 * page the newer content never arrives before the older.
 */
import type { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import { connectLane, type LaneOptions } from './postcopy-lanes.js';
import { MAX_PAGE_LANES, pageLanes } from './scratch.js';

/** The source's side: whichever connection has room takes the next batch. */
export class PageConnections {
  private turn = 0;
  private isOver = false;

  /** `connections`: those beside the main one; if there are none, that one takes all. */
  constructor(
    private readonly main: Connection,
    private readonly connections: readonly Connection[],
  ) {
    for (const { signal } of connections) {
      signal.addEventListener('abort', () => this.isOver || main.fail(signal.reason as MigrationError), { once: true });
    }
  }

  /** Opens `count` connections, once the destination has said READY on the main one. */
  static async open(options: LaneOptions, main: Connection, count: number): Promise<PageConnections> {
    const connections: Connection[] = [];
    try {
      for (const [index, lane] of pageLanes(count).entries()) {
        const connection = await connectLane(options, lane);
        connections.push(connection);
        connection.send('JOIN', { migrationId: options.migrationId, channel: index + 1 });
        await connection.expect('READY', options.patienceMs);
      }
    } catch (thrown) {
      const error = asMigrationError(thrown, 'connect');
      for (const connection of connections) connection.fail(error);
      await Promise.all(connections.map((connection) => connection.close()));
      throw error;
    }
    return new PageConnections(main, connections);
  }

  /** Aborts as soon as one of them is lost. */
  get signal(): AbortSignal {
    return this.main.signal;
  }

  /** What was handed to the connections beside the main one. */
  get bytes(): number {
    return this.connections.reduce((sum, { writer }) => sum + writer.bytes, 0);
  }

  /** Where the next batch is to be built, and which connection is to send it; they take turns. */
  async next(patienceMs: number): Promise<{ connection: Connection; slot: number }> {
    const takers = this.connections.length > 0 ? this.connections : [this.main];
    const inTurn = takers.map((_, index) => takers[(this.turn + index) % takers.length]!);
    if (!inTurn.some(({ writer }) => writer.hasRoom)) await Promise.race(inTurn.map((each) => each.slot(patienceMs)));
    const connection = inTurn.find(({ writer }) => writer.hasRoom) ?? inTurn[0]!;
    this.turn = takers.indexOf(connection) + 1;
    return { connection, slot: await connection.slot(patienceMs) };
  }

  /** Everything of that pass has been sent. */
  sync(iteration: number): void {
    for (const connection of this.connections) connection.send('SYNC', { iteration });
  }

  /** Resolves when the channels have taken everything. */
  async drained(patienceMs: number): Promise<void> {
    await Promise.all([this.main, ...this.connections].map((connection) => connection.drained(patienceMs)));
  }

  /** No pages follow here: the destination may close these connections. */
  end(): void {
    this.isOver = true;
  }

  async close(reason: MigrationError | null): Promise<void> {
    this.end();
    if (reason) for (const connection of this.connections) connection.fail(reason);
    await Promise.all(this.connections.map((connection) => connection.close()));
  }
}

/** The destination's side. */
export class PageReceivers {
  private readonly connections: Connection[] = [];
  private readonly lanes;
  private isOver = false;

  /** Throws MigrationError `malformed` if there cannot be as many. */
  constructor(
    private readonly main: Connection,
    count: number,
  ) {
    if (count > MAX_PAGE_LANES) {
      throw new MigrationError('malformed', `${count} connections for pages, the most is ${MAX_PAGE_LANES}`);
    }
    this.lanes = pageLanes(count);
  }

  mayJoin(channel: number): boolean {
    return channel <= this.lanes.length && !this.connections[channel - 1];
  }

  join(channel: number, connection: Connection): void {
    const { signal } = connection;
    connection.moveTo(this.lanes[channel - 1]!);
    this.connections[channel - 1] = connection;
    signal.addEventListener('abort', () => this.isOver || this.main.fail(signal.reason as MigrationError), {
      once: true,
    });
  }

  /** Resolves when all pages of that pass have come. */
  async synced(iteration: number): Promise<void> {
    for (const index of this.lanes.keys()) {
      const connection = this.connections[index];
      if (!connection) throw new MigrationError('malformed', `pages came, but connection ${index + 1} did not`);
      const sync = await connection.expect('SYNC');
      if (sync.iteration === iteration) continue;
      throw new MigrationError('malformed', `SYNC of iteration ${sync.iteration} in iteration ${iteration}`);
    }
  }

  /** No pages follow. */
  async close(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.connections.map((connection) => connection.close()));
  }
}
