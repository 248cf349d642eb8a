/** The destination of a migration: takes pages and state, and starts the guest when the source has let go of it. */
import { bitmapWords, countMissing, dropPages, layout, readMissing } from '#vmm';
import type { Checkpoint } from './checkpoint.js';
import { Connection } from './connection.js';
import { decompressBatch } from './compression.js';
import { MigrationError, asMigrationError } from './errors.js';
import { nothingYet, type IncomingFigures } from './incoming-figures.js';
import type { IncomingOptions, IncomingOutcome } from './incoming-options.js';
import { checkTotals, takePasses, type Missing } from './incoming-passes.js';
import type { Lanes } from './lanes.js';
import { checkOpeningMessage, type OpeningMessage } from './opening-message.js';
import { DEFAULT_PARAMETERS } from './parameters.js';
import type { Channel } from './ports.js';
import { PageReceivers } from './multifd.js';
import { PostcopyDestination } from './postcopy-destination.js';
import type { Message, Messages } from './protocol.js';
import { checkMachine, describeMachine } from './protocol.js';
import { MAIN_LANE, PLAIN, URGENT_RECEIVE_LANE } from './scratch.js';
import { SmallLanes } from './small-lanes.js';

/** How long a caller may take to say who it is. */
const OPENING_PATIENCE_MS = 5_000;
/** In post-copy: how long a page that was asked for may take, or the second connection. */
const POSTCOPY_PATIENCE_MS = 10_000;

export class IncomingMigration {
  private current: IncomingFigures;
  private takesPages = false;
  /** Pages of an earlier stay have been put into RAM. */
  private hasCheckpoint = false;
  private finished: (() => void) | null = null;
  private recoverMs = DEFAULT_PARAMETERS.recoverMs;
  private readonly smallLanes = new SmallLanes();
  /** Takes the second connection, while one is due. */
  private onJoin: ((urgent: Connection) => void) | null = null;
  private main: Connection | null = null;
  private urgent: Connection | null = null;
  private pageReceivers: PageReceivers | null = null;
  private postcopy: PostcopyDestination | null = null;

  constructor(private readonly options: IncomingOptions) {
    this.current = nothingYet(options.epoch);
  }

  get figures(): IncomingFigures {
    if (!this.postcopy) return this.current;
    const { overlappedBlockMs } = this.postcopy;
    return { ...this.current, missingPages: countMissing(this.options.machine.memory), overlappedBlockMs };
  }

  /**
   * Serves one connection, beside others. A stranger (whoever does not open as a migration does, or as one that does not
   * fit here now) changes nothing. After a failure RAM is zero again. Stays pending while a machine that is loaded has
   * lost its source, until `finish`, and in post-copy until no page is missing.
   */
  async receive(channel: Channel): Promise<IncomingOutcome> {
    const { machine, codec, clock } = this.options;
    const lane = await this.smallLanes.take();
    const onBatch = (payload: number, bytes: number, isCompressed: boolean) => {
      if (isCompressed) this.takeBatch(PLAIN, this.decompress(payload, bytes));
      else this.takeBatch(payload, bytes);
    };
    const connection = new Connection({ channel, memory: machine.memory, codec, clock, lane, peer: 'source', onBatch });
    const first = await this.firstMessage(connection); // from here on without waiting: nobody comes in between
    const opening = first instanceof MigrationError ? first : this.refuseOr(first, connection);
    if (opening instanceof MigrationError) {
      connection.fail(opening);
      const isBrokenSource = this.current.status === 'waiting' && ['version', 'checksum'].includes(opening.code);
      const outcome = isBrokenSource ? this.fail(opening) : ({ kind: 'stranger', error: opening } as const);
      await connection.close();
      this.smallLanes.giveBack(lane);
      return outcome;
    }
    if (opening.type === 'JOIN' && opening.body.channel > 0) {
      this.pageReceivers!.join(opening.body.channel, connection);
      this.smallLanes.giveBack(lane);
      connection.send('READY', {});
      return { kind: 'joined' };
    }
    if (opening.type === 'JOIN') {
      connection.moveTo(URGENT_RECEIVE_LANE);
      this.smallLanes.giveBack(lane);
      connection.send('READY', {});
      this.onJoin?.(connection);
      this.onJoin = null;
      return { kind: 'joined' };
    }
    connection.moveTo(MAIN_LANE);
    this.smallLanes.giveBack(lane);
    if (opening.type === 'HELLO') return this.serve(connection, opening.body);
    this.recover(connection);
    return { kind: 'joined' };
  }

  /**
   * Starts a guest that its source will never run again, as the caller knows: it is gone, or has let go and its word does
   * not come. Does nothing if the guest runs here already. Throws if it is not loaded.
   */
  finish(): void {
    const { status } = this.current;
    if (status === 'running' || status.startsWith('postcopy')) return;
    if (status !== 'loaded')
      throw new MigrationError('machine', `there is nothing to finish: the migration is ${status}`);
    this.finished?.();
  }

  /** Devices need these pages, in post-copy. */
  request(pages: readonly number[]): void {
    this.postcopy?.request(pages);
  }

  /**
   * Gives the connections of post-copy up, to be opened anew; also before COMMIT has come, whose place the source's return
   * takes. Throws if there are none.
   */
  pause(): void {
    const { status, isConnected } = this.current;
    if (this.postcopy?.pause()) return;
    if (!this.postcopy || status !== 'loaded' || !isConnected) throw notInPostcopy('pause', status);
    this.main!.fail(new MigrationError('paused', 'paused by request'));
  }

  /** Waits no longer for pages that stayed at the source: the guest is lost. Throws unless post-copy is paused. */
  giveUp(): void {
    if (!this.postcopy?.giveUp()) throw notInPostcopy('give up', this.current.status);
  }

  /** How long a pause in post-copy may last before the guest counts as lost. */
  setRecoverTime(ms: number): void {
    this.recoverMs = ms;
  }

  private async firstMessage(connection: Connection): Promise<Message | MigrationError> {
    try {
      return await connection.next(OPENING_PATIENCE_MS);
    } catch (error) {
      return asMigrationError(error, 'malformed');
    }
  }

  private refuseOr(message: Message, { isBetweenFrames }: Connection): OpeningMessage | MigrationError {
    try {
      if (!isBetweenFrames) throw new MigrationError('malformed', 'the source sent more before it was answered');
      checkOpeningMessage(message, {
        ...this.current,
        mayJoin: (channel) => this.mayJoin(channel),
        inPostcopy: this.postcopy !== null,
      });
      return message;
    } catch (error) {
      return asMigrationError(error, 'malformed');
    }
  }

  private mayJoin(channel: number): boolean {
    return channel === 0 ? this.onJoin !== null : this.pageReceivers?.mayJoin(channel) === true;
  }

  private async serve(connection: Connection, hello: Messages['HELLO']): Promise<IncomingOutcome> {
    const { codec, machine } = this.options;
    this.main = connection;
    try {
      await this.take(connection, hello);
      return { kind: 'running' };
    } catch (thrown) {
      const error = asMigrationError(thrown, 'machine');
      connection.fail(error);
      if (this.current.status.startsWith('postcopy')) {
        await machine.lose();
      } else {
        dropPages(machine.memory, new Uint32Array(bitmapWords(machine.memory)));
        if (this.current.pages > 0 || this.hasCheckpoint) codec.clearPages(layout.RAM, machine.memory.ramPages);
      }
      return this.fail(error);
    } finally {
      await Promise.all([connection.close(), this.urgent?.close(), this.pageReceivers?.close()]);
    }
  }

  private fail(error: MigrationError): IncomingOutcome {
    this.change({ status: 'failed', isConnected: false, error: told(error) });
    return { kind: 'failed', error };
  }

  private async take(connection: Connection, hello: Messages['HELLO']): Promise<void> {
    const { machine, clock } = this.options;
    const { migrationId, epoch } = hello;
    checkMachine(hello.machine, describeMachine(machine.memory, machine.boardVersion));
    if (epoch <= this.current.epoch) {
      const text = `the stream is for epoch ${epoch} of the VM, but epoch ${this.current.epoch} is known here already`;
      throw new MigrationError('stale_epoch', text);
    }
    this.change({ status: 'active', migrationId, isConnected: true, iteration: 1 });
    const pageReceivers = new PageReceivers(connection, hello.channels);
    this.pageReceivers = pageReceivers;
    if (hello.postcopy) this.onJoin = (urgent) => (this.urgent = urgent);
    const checkpoint = hello.checkpoint ? this.options.openCheckpoint?.() : null;
    connection.send('READY', { checkpoint: !!checkpoint });
    if (checkpoint) await this.load(checkpoint, connection);
    this.takesPages = true;
    if (checkpoint) connection.send('HASHES', new Uint8Array());
    const { running, state, missing } = await takePasses(connection, pageReceivers, {
      counted: () => this.current,
      begin: (iteration) => this.change({ iteration }),
    });
    await pageReceivers.close();
    this.takesPages = missing !== null; // they may come right behind COMMIT
    const endedAtMs = clock.now();
    if (missing) this.preparePostcopy(missing);
    await machine.restoreState(state, running);
    this.change({ status: 'loaded', epoch });
    connection.send('LOADED', { loadMs: clock.now() - endedAtMs });

    const lost = await this.committed(connection);
    const committedAtMs = clock.now();
    await machine.start(running);
    if (!this.postcopy) this.change({ status: 'running', isConnected: false });
    if (!connection.signal.aborted) connection.send('RUNNING', { resumeMs: clock.now() - committedAtMs });
    if (!this.postcopy) return;
    await this.postcopy.run(lost ?? { main: connection, urgent: this.urgent! });
    this.change({ status: 'running', isConnected: false, error: null, missingPages: 0 });
  }

  /** Tells the source what it need not send. */
  private async load(checkpoint: Checkpoint, connection: Connection): Promise<void> {
    this.hasCheckpoint = true;
    for await (const hashes of checkpoint.load()) if (hashes.length > 0) connection.send('HASHES', hashes);
  }

  private preparePostcopy({ bitmap, pages }: Missing): void {
    const { machine, codec, clock, postcopyPatienceMs = POSTCOPY_PATIENCE_MS } = this.options;
    const { memory } = machine;
    if (!this.urgent) throw new MigrationError('malformed', 'DISCARD came, but no second connection');
    if (bitmap.length * 8 !== memory.ramPages) throw new MigrationError('malformed', 'DISCARD is not for this RAM');
    const dropped = dropPages(memory, new Uint32Array(bitmap.slice().buffer));
    checkTotals('the discard map', { missingPages: dropped }, { missingPages: pages });
    this.postcopy = new PostcopyDestination({
      memory,
      codec,
      clock,
      patienceMs: postcopyPatienceMs,
      recoverMs: () => this.recoverMs,
      onStatus: (status, error) =>
        this.change({ status, isConnected: status === 'postcopy', error: error && told(error) }),
    });
  }

  /** A source that has come back after a pause; that it has also means that it has let go of the guest. */
  private recover(main: Connection): void {
    const { machine, postcopyPatienceMs = POSTCOPY_PATIENCE_MS } = this.options;
    const open = async (): Promise<Lanes> => {
      const urgent = new Promise<Connection>((resolve) => (this.onJoin = resolve));
      try {
        main.send('MISSING', new Uint8Array(readMissing(machine.memory).buffer));
        return { main, urgent: await main.patiently(postcopyPatienceMs, urgent, 'did not join') };
      } catch (error) {
        main.fail(asMigrationError(error, 'machine'));
        await main.close();
        throw error;
      } finally {
        this.onJoin = null;
      }
    };
    if (this.postcopy!.recover(open)) {
      this.finished?.();
      return;
    }
    main.fail(new MigrationError('config', 'another connection came first'));
    void main.close();
  }

  /**
   * Waits for COMMIT. Null when it came. Rejects when the source said that it goes on. Whatever else comes, or nothing,
   * leaves open what the source did: then it waits for `finish`, or in post-copy for the source itself, and gives why.
   * `finish` may also come while the connection seems to be there, with nothing that passes through it.
   */
  private async committed(connection: Connection): Promise<MigrationError | null> {
    const finished = new Promise<null>((resolve) => (this.finished = () => resolve(null)));
    const commit = connection.expect('COMMIT');
    let error: MigrationError;
    try {
      if ((await Promise.race([commit, finished])) !== null) return null;
      commit.catch(() => undefined); // nobody waits for it any more
      error = new MigrationError('connection_lost', 'the source has let go of the guest, but its word did not come');
    } catch (thrown) {
      if (!(thrown instanceof MigrationError) || thrown.isFromPeer) throw thrown;
      error = thrown;
    }
    const lanes = [connection, this.urgent];
    for (const each of lanes) each?.fail(error);
    await Promise.all(lanes.map((each) => each?.close())); // a source that comes back finds the lanes free
    this.change({ isConnected: false, error: told(error) });
    await finished;
    return error;
  }

  private decompress(payload: number, bytes: number): number {
    const { compressors, machine } = this.options;
    if (!compressors) throw new MigrationError('malformed', 'compressed pages came, which are not taken here');
    return decompressBatch(machine.memory, compressors, payload, bytes, PLAIN);
  }

  private takeBatch(payload: number, bytes: number): void {
    const { codec, machine } = this.options;
    const { iteration, pages, zeroPages } = this.current;
    if (!this.takesPages) throw new MigrationError('malformed', 'pages came where none were due');
    const zeros = codec.checkBatch(payload, bytes, iteration, machine.memory.ramPages);
    if (zeros < 0) throw new MigrationError('malformed', `a batch of pages of iteration ${iteration} is malformed`);
    if (this.postcopy) this.postcopy.take(payload);
    else codec.unpackPages(layout.RAM, payload);
    const count = machine.memory.view.getUint32(payload, true);
    this.current = { ...this.current, pages: pages + count, zeroPages: zeroPages + zeros };
  }

  private change(news: Partial<IncomingFigures>): void {
    this.current = { ...this.current, ...news };
    this.options.onChange(this.figures);
  }
}

const told = ({ code, message }: MigrationError) => ({ code, message });

const notInPostcopy = (what: string, status: string) =>
  new MigrationError('machine', `there is nothing to ${what}: the migration is ${status}`);
