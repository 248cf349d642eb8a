/** Sends the pages of a pass: packs them, makes them smaller by what is switched on, and hands them to the connections. */
import type { GuestMemory } from '#vmm';
import { until } from './abort.js';
import type { Codec } from './codec.js';
import { Compression, type CompressorPool } from './compression.js';
import type { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { MigrationFigures } from './figures.js';
import type { BandwidthLimiter } from './limiter.js';
import type { PageConnections } from './multifd.js';
import type { PrecopyParameters } from './parameters.js';
import type { PendingPages } from './pending-pages.js';
import type { Clock } from './ports.js';
import { Xbzrle } from './xbzrle.js';

/** Batches after which others get their turn, even if the connections take everything at once. */
const BATCHES_PER_BREATH = 8;

export interface PageSenderOptions {
  readonly memory: GuestMemory;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly pending: PendingPages;
  readonly limiter: BandwidthLimiter;
  /** For parameters that ask for compression. */
  readonly newCompressorPool?: (() => CompressorPool) | undefined;
}

export interface Sending {
  readonly iteration: number;
  readonly patienceMs: number;
  /** Whether the bandwidth's limit counts. */
  readonly isLimited: boolean;
  /** Whether to leave the rest where it is. */
  isEnough(): boolean;
  onSent(pages: number, zeroPages: number): void;
}

export class PageSender {
  private readonly xbzrle: Xbzrle;
  private readonly compression: Compression;
  /** Batches that are being compressed. */
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly options: PageSenderOptions,
    parameters: PrecopyParameters,
  ) {
    this.xbzrle = new Xbzrle(options.memory, options.codec);
    this.compression = new Compression(options.newCompressorPool ?? noCompressors);
    this.set(parameters);
  }

  get figures(): Pick<MigrationFigures, 'xbzrle' | 'compression'> {
    return { xbzrle: this.xbzrle.figures, compression: this.compression.figures };
  }

  set({ xbzrleCacheBytes, compression }: PrecopyParameters): void {
    this.xbzrle.setCacheBytes(xbzrleCacheBytes);
    this.compression.set(compression);
  }

  /** Sends every pending page; returns how many there were. */
  async send(connections: PageConnections, { iteration, patienceMs, isLimited, isEnough, onSent }: Sending) {
    const { limiter, pending, clock } = this.options;
    const sent = { pages: 0, zeroPages: 0 };
    for (let batches = 1; ; batches++) {
      if (isLimited) await limiter.ready(connections.signal);
      if (isEnough()) break;
      const { connection, slot } = await connections.next(patienceMs);
      const pages = pending.takeBatch();
      if (pages === 0) break;
      const { bytes: packed, zeroPages } = pending.pack(pages, iteration, slot);
      const bytes = iteration > 1 ? this.xbzrle.encode(slot, packed) : packed;
      if (this.compression.isOn) this.compressAndSend(connection, bytes, pages - zeroPages);
      else this.sendBatch(connection, bytes);
      sent.pages += pages;
      sent.zeroPages += zeroPages;
      onSent(pages, zeroPages);
      if (batches % BATCHES_PER_BREATH === 0) await clock.breathe();
    }
    await until(connections.signal, Promise.all(this.underWay));
    onSent(0, 0);
    return sent;
  }

  /** A pass has ended; `sentPages` were sent in all since the start. */
  passed(sentPages: number): void {
    this.xbzrle.passed(sentPages);
    this.compression.passed();
  }

  /** Resolves when nobody writes into the slots any more, so that the next migration may begin. */
  async end(): Promise<void> {
    await Promise.all(this.underWay);
    this.compression.close();
  }

  private sendBatch(connection: Connection, bytes: number, ...how: [type: number, held: number] | []): void {
    connection.writer.sendBatch(bytes, ...how);
    this.options.limiter.spend(bytes);
  }

  /** Sends a batch as soon as it is compressed; batches of a pass may go in any order. */
  private compressAndSend(connection: Connection, plainBytes: number, pages: number): void {
    const held = connection.writer.hold();
    const done = this.compression
      .compress(held, plainBytes, pages)
      .then(({ type, bytes }) => this.sendBatch(connection, bytes, type, held))
      .catch((error: unknown) => connection.fail(asMigrationError(error, 'machine')))
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }
}

function noCompressors(): never {
  throw new MigrationError('machine', 'there is nothing here that compresses');
}
