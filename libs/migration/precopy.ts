/** The source of a migration by pre-copy: protocol.ts shows the stream, precopy-rule.ts decides when to stop the guest. */
import { until } from './abort.js';
import { sparePages } from './checkpoint.js';
import { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { MigrationFigures } from './figures.js';
import { BandwidthLimiter } from './limiter.js';
import type { PrecopyParameters } from './parameters.js';
import { DEFAULT_PARAMETERS, stoppedPatienceMs } from './parameters.js';
import { PendingPages } from './pending-pages.js';
import type { Channel } from './ports.js';
import type { Patience, PrecopyOptions } from './precopy-options.js';
import { PageConnections } from './multifd.js';
import { UNSAMPLED } from './page-sampler.js';
import { PageSender } from './page-sender.js';
import { Progress } from './progress.js';
import { PostcopySource } from './postcopy-source.js';
import type { PostcopyStatus } from './postcopy-source.js';
import { connectLane, joinUrgent, recoverLanes, type LaneOptions } from './postcopy-lanes.js';
import { describeMachine } from './protocol.js';
import { MAIN_LANE } from './scratch.js';
import { lapTimer, type Committed } from './switchover-laps.js';
import { GuestThrottle } from './throttle.js';
import { TimedSampler } from './timed-sampler.js';

export class PrecopySource {
  private readonly limiter: BandwidthLimiter;
  private readonly pending: PendingPages;
  private readonly progress: Progress;
  private readonly throttle: GuestThrottle;
  private readonly sender: PageSender;
  private readonly connecting = new AbortController();
  private connection: Connection | null = null;
  private urgent: Connection | null = null;
  private pages: PageConnections | null = null;
  /** The destination tells hashes of pages first. */
  private hasCheckpoint = false;
  private readonly sampler: TimedSampler | null;
  private wantsPostcopy = false;
  private postcopy: PostcopySource | null = null;
  private parameters: PrecopyParameters;
  private isStopped = false;
  private isCommitted = false;

  constructor(private readonly options: PrecopyOptions) {
    const { migrationId, epoch, clock, machine, codec } = options;
    const parameters = { ...DEFAULT_PARAMETERS, ...options.parameters };
    this.parameters = parameters;
    this.limiter = new BandwidthLimiter(clock, parameters.maxBandwidth);
    this.pending = new PendingPages(machine.memory, codec);
    this.progress = new Progress(() => clock.now(), { migrationId, epoch, ramBytes: machine.memory.ramBytes });
    this.throttle = new GuestThrottle(machine.memory, clock, parameters.throttle);
    const { limiter, pending } = this;
    const { memory } = machine;
    const { newCompressorPool, loadCompressors } = options;
    this.sampler = loadCompressors
      ? new TimedSampler({ memory, codec, dirty: pending.bits, loadCompressors }, clock)
      : null;
    this.sender = new PageSender({ memory, codec, clock, limiter, pending, newCompressorPool }, parameters);
  }

  get figures(): MigrationFigures {
    const { progress, throttle, sender } = this;
    return {
      ...progress.figures,
      ...sender.figures,
      multifdBytes: this.pages?.bytes ?? 0,
      shares: this.sampler?.shares ?? UNSAMPLED,
      throttle: throttle.figures,
    };
  }

  private get patience(): Patience {
    const { answerMs } = this.parameters;
    return this.options.patience ?? { runningMs: answerMs, stoppedMs: stoppedPatienceMs(answerMs) };
  }

  /** Changes those that are given. */
  setParameters(changes: Partial<PrecopyParameters>): void {
    this.parameters = { ...this.parameters, ...changes };
    this.limiter.setRate(this.postcopy ? this.parameters.maxPostcopyBandwidth : this.parameters.maxBandwidth);
    this.throttle.set(this.parameters.throttle);
    this.sender.set(this.parameters);
  }

  /**
   * Has the guest stopped as soon as possible, to run on at the destination with pages still to come. Throws unless
   * `postcopy` was given, and after the end.
   */
  startPostcopy(): void {
    if (!this.options.postcopy) throw new MigrationError('config', 'post-copy was not enabled before the migration');
    if (this.progress.hasEnded) throw new MigrationError('config', `the migration is ${this.progress.status}`);
    this.wantsPostcopy = true;
  }

  /** Gives the connections of post-copy up, as if they were lost. Throws if there are none. */
  pause(): void {
    if (!this.postcopy?.pause()) throw new MigrationError('config', `the migration is ${this.progress.status}`);
  }

  /** Goes on, when post-copy is paused, over connections that `connect` opens. Throws if it is not. */
  resume(connect: () => Promise<Channel>): void {
    const recover = () => recoverLanes(this.laneOptions(connect), this.options.epoch);
    if (!this.postcopy?.resume(recover)) {
      throw new MigrationError('config', `there is no paused migration: it is ${this.progress.status}`);
    }
  }

  /** Asks for the end; the guest goes on here. False past the point of no return, or when it has ended already. */
  cancel(): boolean {
    if (this.isCommitted || this.progress.hasEnded) return false;
    if (this.progress.status === 'cancelling') return true;
    this.enter('cancelling');
    const error = new MigrationError('cancelled', 'cancelled by request');
    this.connecting.abort(error);
    this.connection?.fail(error);
    return true;
  }

  /**
   * Carries the migration out. Resolves when it has ended, in whatever way: the figures tell. Rejects only when the
   * machine cannot be resumed.
   */
  async run(): Promise<MigrationFigures> {
    try {
      const connection = await this.open();
      const iteration = await this.iterate(connection);
      const committed = await this.switchOver(connection, iteration);
      if (committed.postcopy) await this.sendBehind(connection, iteration, committed);
      else await this.confirm(connection, committed);
    } catch (error) {
      await this.abandon(asMigrationError(error, 'machine'));
    }
    return this.figures;
  }

  private async open(): Promise<Connection> {
    const { migrationId, epoch, machine, connect, postcopy = false, channels = 0, onChange } = this.options;
    onChange(this.figures);
    const { signal } = this.connecting;
    const lane = this.laneOptions(() => until(signal, connect(signal)));
    const connection = await connectLane(lane, MAIN_LANE);
    this.connection = connection;
    connection.send('HELLO', {
      migrationId,
      epoch,
      machine: describeMachine(machine.memory, machine.boardVersion),
      postcopy,
      channels,
      checkpoint: this.options.newPageHasher !== undefined,
    });
    const { checkpoint = false } = await connection.expect('READY', this.patience.runningMs);
    this.hasCheckpoint = checkpoint;
    this.pages = await PageConnections.open(lane, connection, channels);
    if (postcopy) this.urgent = await joinUrgent(lane);
    this.progress.setUp();
    return connection;
  }

  private laneOptions(connect: () => Promise<Channel>): LaneOptions {
    const { migrationId, machine, codec, clock } = this.options;
    return { memory: machine.memory, codec, clock, migrationId, patienceMs: this.patience.stoppedMs, connect };
  }

  /**
   * Goes over the dirty log, the first time over all pages, until the rule or somebody else says stop. Returns the number
   * of the pass that is to follow, or to be finished, with the guest stopped.
   */
  private async iterate(connection: Connection): Promise<number> {
    const { clock, onChange } = this.options;
    this.advance(connection, 'active');
    this.pending.markAll();
    let syncedAtMs = clock.now();
    if (this.hasCheckpoint) await this.sparePages(connection);
    this.throttle.begin();
    for (let iteration = 1; ; iteration++) {
      const startedAtMs = clock.now();
      const bytesBefore = this.sentBytes;
      const sent = await this.sendPending(iteration, this.patience.runningMs);
      if (this.pending.count > 0) return iteration; // post-copy was asked for meanwhile
      this.pages!.sync(iteration);
      connection.send('ITERATION', { iteration, ...sent });
      await this.pages!.drained(this.patience.runningMs);
      await connection.expect('RECEIVED', this.patience.runningMs);
      const durationMs = clock.now() - startedAtMs;
      const bytes = this.sentBytes - bytesBefore;

      this.pending.addDirty();
      const sinceSyncMs = clock.now() - syncedAtMs;
      syncedAtMs = clock.now();
      const pass = { iteration, ...sent, bytes, durationMs, dirtyPages: this.pending.count, sinceSyncMs };
      const { action } = this.progress.passed(pass, this.parameters.downtimeLimitMs);
      connection.signal.throwIfAborted();
      this.sender.passed(this.figures.pages);
      this.throttle.passed({ writtenBytes: this.figures.remainingBytes, sentBytes: bytes });
      if (action === 'iterate') this.sampler?.look(this.parameters.compression); // the guest writes on
      onChange(this.figures);
      if (action === 'stop' || this.wantsPostcopy) return iteration + 1;
    }
  }

  /** Stops the guest, sends the rest, or in post-copy what the rest is, and commits as soon as that has been loaded. */
  private async switchOver(connection: Connection, iteration: number): Promise<Committed> {
    const { clock, machine } = this.options;
    const lapMs = lapTimer(clock);
    const postcopy = this.wantsPostcopy;
    this.urgent?.signal.throwIfAborted();
    this.isStopped = true;
    const { running } = await machine.stop();
    const stopMs = lapMs();
    this.advance(connection, 'device');
    this.pending.addDirty();
    const finalSyncMs = lapMs();
    if (postcopy) connection.send('DISCARD', this.pending.read());
    else await this.sendPending(iteration, this.patience.stoppedMs);
    this.pages!.sync(iteration);
    this.pages!.end();
    const finalPagesMs = lapMs();
    connection.send('STATE', await machine.saveState());
    const { pages, zeroPages } = this.figures;
    connection.send('END', { running, pages, zeroPages, missingPages: this.pending.count });
    const deviceStateMs = lapMs();
    await this.pages!.drained(this.patience.stoppedMs);
    const { loadMs: destinationLoadMs } = await connection.expect('LOADED', this.patience.stoppedMs);
    const loadMs = lapMs();

    connection.signal.throwIfAborted(); // if cancelled or lost by now
    machine.letGo(); // past this line the guest never runs here again
    connection.send('COMMIT', {});
    this.isCommitted = true;
    this.throttle.release();
    await this.sender.end();
    return { laps: { stopMs, finalSyncMs, finalPagesMs, deviceStateMs, loadMs }, lapMs, destinationLoadMs, postcopy };
  }

  /** Completes, with or without the destination's word that the guest runs there. */
  private async confirm(connection: Connection, { laps, lapMs, destinationLoadMs }: Committed): Promise<void> {
    try {
      const { resumeMs } = await connection.expect('RUNNING', this.patience.stoppedMs);
      const destination = { loadMs: destinationLoadMs, resumeMs };
      this.progress.confirmed({ ...laps, resumeMs: lapMs(), destination });
    } catch (error) {
      this.progress.unconfirmed(asMigrationError(error, 'machine'));
    }
    this.enter('completed');
    await this.close();
  }

  /** Post-copy: the guest runs at the destination, and what it misses is sent there. Never rejects. */
  private async sendBehind(main: Connection, iteration: number, { laps, lapMs, destinationLoadMs }: Committed) {
    const { progress, pending, limiter, patience } = this;
    this.postcopy = new PostcopySource({
      clock: this.options.clock,
      pending,
      limiter,
      iteration,
      patienceMs: patience.stoppedMs,
      recoverMs: () => this.parameters.recoverMs,
      onStatus: (status: PostcopyStatus, error) => {
        progress.connected(error);
        this.enter(status);
      },
      onSent: (pages, zeroPages, bytes) => progress.sentBehind(pages, zeroPages, bytes, pending.count),
      onRequests: (pages) => progress.asked(pages),
      onRunning: (resumeMs) =>
        progress.confirmed({ ...laps, resumeMs: lapMs(), destination: { loadMs: destinationLoadMs, resumeMs } }),
    });
    limiter.setRate(this.parameters.maxPostcopyBandwidth);
    try {
      await this.postcopy.run({ main, urgent: this.urgent! });
      progress.arrived();
      this.enter('completed');
    } catch (error) {
      progress.failed(asMigrationError(error, 'machine'));
      this.enter('failed');
    }
  }

  /** Leaves out what the destination has from an earlier stay of the VM. */
  private async sparePages(connection: Connection): Promise<void> {
    const { newPageHasher, onChange } = this.options;
    if (!newPageHasher)
      throw new MigrationError('malformed', 'the destination tells hashes, which it was not asked for');
    const { pending, patience } = this;
    const pages = await sparePages(connection, newPageHasher(), pending, patience.runningMs);
    this.progress.spared(pages, pending.count);
    onChange(this.figures);
  }

  /** Sends every pending page; returns how many there were. */
  private sendPending(iteration: number, patienceMs: number) {
    const { progress, pending, isStopped } = this;
    return this.sender.send(this.pages!, {
      iteration,
      patienceMs,
      isLimited: !isStopped,
      isEnough: () => !isStopped && this.wantsPostcopy,
      onSent: (pages, zeroPages) => progress.sent(pages, zeroPages, this.sentBytes, pending.count),
    });
  }

  private get sentBytes(): number {
    return this.connection!.writer.bytes + this.pages!.bytes;
  }

  /** The guest goes on here. */
  private async abandon(error: MigrationError): Promise<void> {
    if (this.isCommitted) throw error; // a programming error: nothing after COMMIT may lead here
    this.connection?.fail(error);
    this.urgent?.fail(error);
    this.throttle.release();
    if (this.isStopped) await this.options.machine.resume();
    await this.sender.end();
    await this.close(error);
    this.progress.failed(error);
    this.enter(this.progress.status === 'cancelling' ? 'cancelled' : 'failed');
  }

  private async close(reason: MigrationError | null = null): Promise<void> {
    await Promise.all([this.connection?.close(), this.urgent?.close(), this.pages?.close(reason)]);
  }

  /** The next status, unless the migration has been cancelled or the connection lost. */
  private advance(connection: Connection, status: MigrationFigures['status']): void {
    connection.signal.throwIfAborted();
    this.enter(status);
  }

  private enter(status: MigrationFigures['status']): void {
    this.progress.enter(status);
    this.options.onChange(this.figures);
  }
}
