/** The destination of a migration: takes pages and state, and starts the guest when the source has let go of it. */
import { layout } from '#vmm';
import type { Codec } from './codec.js';
import { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { Channel, Clock, DestinationMachine } from './ports.js';
import type { Messages } from './protocol.js';
import { checkMachine, describeMachine } from './protocol.js';

/** How long a caller may take to say who it is. */
const OPENING_PATIENCE_MS = 5_000;

/**
 *     waiting -> active -> loaded -> running        loaded: everything is here, the source has not yet let go
 *                   \---------\---> failed
 */
export type IncomingStatus = 'waiting' | 'active' | 'loaded' | 'running' | 'failed';

export interface IncomingFigures {
  readonly status: IncomingStatus;
  readonly migrationId: string | null;
  /** Of the newest owner that is known here; of this machine itself once it is loaded. */
  readonly epoch: number;
  readonly pages: number;
  readonly zeroPages: number;
  readonly iteration: number;
  /** False between a lost connection and the word to finish. */
  readonly isConnected: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface IncomingOptions {
  readonly machine: DestinationMachine;
  readonly codec: Codec;
  readonly clock: Clock;
  /** Epoch of the newest owner that is known here; a stream must carry a greater one. */
  readonly epoch: number;
  /** Called at every change of status and after every pass. */
  readonly onChange: (figures: IncomingFigures) => void;
}

/** What a caller turned out to be: no migration at all, or one that ended. */
export type IncomingOutcome =
  | { readonly kind: 'stranger'; readonly error: MigrationError }
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly error: MigrationError };

export class IncomingMigration {
  private current: IncomingFigures;
  private takesPages = false;
  private finished: (() => void) | null = null;

  constructor(private readonly options: IncomingOptions) {
    this.current = {
      status: 'waiting',
      migrationId: null,
      epoch: options.epoch,
      pages: 0,
      zeroPages: 0,
      iteration: 0,
      isConnected: false,
      error: null,
    };
  }

  get figures(): IncomingFigures {
    return this.current;
  }

  /**
   * Serves one connection. A stranger (whoever does not open as a migration does) changes nothing, and the next may
   * come. After a failure RAM is zero again. Stays pending while a machine that is loaded has lost its source, until `finish`.
   */
  async receive(channel: Channel): Promise<IncomingOutcome> {
    const { machine, codec, clock } = this.options;
    const onBatch = (payload: number, bytes: number) => this.takeBatch(payload, bytes);
    const connection = new Connection({ channel, memory: machine.memory, codec, clock, peer: 'source', onBatch });
    try {
      const hello = await this.identify(connection);
      if (hello instanceof MigrationError) return { kind: 'stranger', error: hello };
      await this.take(connection, hello);
      return { kind: 'running' };
    } catch (thrown) {
      const error = asMigrationError(thrown, 'machine');
      connection.fail(error);
      if (this.current.pages > 0) codec.clearPages(layout.RAM, machine.memory.ramPages);
      this.change({ status: 'failed', isConnected: false, error: { code: error.code, message: error.message } });
      return { kind: 'failed', error };
    } finally {
      await connection.close();
    }
  }

  /**
   * Starts a guest whose source is gone and, as the caller knows, will never run it again. Does nothing if it runs here
   * already. Throws if it is not loaded, or if the source is still there to decide.
   */
  finish(): void {
    const { status, isConnected } = this.current;
    if (status === 'running') return;
    if (status !== 'loaded')
      throw new MigrationError('machine', `there is nothing to finish: the migration is ${status}`);
    if (isConnected) throw new MigrationError('machine', 'the source is still connected: it decides');
    this.finished?.();
  }

  /** HELLO, or why the caller is a stranger. Rejects if it is a source, but one that cannot be understood. */
  private async identify(connection: Connection): Promise<Messages['HELLO'] | MigrationError> {
    try {
      return await connection.expect('HELLO', OPENING_PATIENCE_MS);
    } catch (thrown) {
      const error = asMigrationError(thrown, 'malformed');
      if (error.code === 'version' || error.code === 'checksum') throw error;
      connection.fail(error);
      return error;
    }
  }

  private async take(
    connection: Connection,
    { migrationId, epoch, machine: source }: Messages['HELLO'],
  ): Promise<void> {
    const { machine, clock } = this.options;
    checkMachine(source, describeMachine(machine.memory, machine.boardVersion));
    if (epoch <= this.current.epoch) {
      const text = `the stream is for epoch ${epoch} of the VM, but epoch ${this.current.epoch} is known here already`;
      throw new MigrationError('stale_epoch', text);
    }
    this.change({ status: 'active', migrationId, isConnected: true, iteration: 1 });
    connection.send('READY', {});
    this.takesPages = true;
    const { running, state } = await this.takePasses(connection);
    this.takesPages = false;
    const endedAtMs = clock.now();
    await machine.restoreState(state);
    this.change({ status: 'loaded', epoch });
    connection.send('LOADED', { loadMs: clock.now() - endedAtMs });

    const committed = await this.committed(connection);
    const committedAtMs = clock.now();
    await machine.start(running);
    this.change({ status: 'running', isConnected: false });
    if (committed && !connection.signal.aborted) connection.send('RUNNING', { resumeMs: clock.now() - committedAtMs });
  }

  /** All passes up to END. */
  private async takePasses(connection: Connection): Promise<{ running: boolean; state: Uint8Array }> {
    let pass = { pages: 0, zeroPages: 0 };
    for (;;) {
      const message = await connection.next();
      const { iteration, pages, zeroPages } = this.current;
      if (message.type === 'ITERATION') {
        const sent = { pages: pages - pass.pages, zeroPages: zeroPages - pass.zeroPages };
        checkTotals(`iteration ${iteration}`, { iteration, ...sent }, message.body);
        pass = { pages, zeroPages };
        this.change({ iteration: iteration + 1 });
        connection.send('RECEIVED', { iteration });
      } else if (message.type === 'STATE') {
        const { running, ...totals } = await connection.expect('END');
        checkTotals('the stream', { pages, zeroPages }, totals);
        return { running, state: message.body };
      } else {
        throw new MigrationError('malformed', `the source sent ${message.type} in the middle of the pages`);
      }
    }
  }

  /**
   * Waits for COMMIT. True when it came. Rejects when the source said that it goes on. Whatever else comes, or nothing,
   * leaves open what the source did: then it waits for `finish` and gives false.
   */
  private async committed(connection: Connection): Promise<boolean> {
    try {
      await connection.expect('COMMIT');
      return true;
    } catch (error) {
      if (!(error instanceof MigrationError) || error.isFromPeer) throw error;
      connection.fail(error);
      const told = new Promise<void>((resolve) => (this.finished = resolve));
      this.change({ isConnected: false, error: { code: error.code, message: error.message } });
      await told;
      return false;
    }
  }

  private takeBatch(payload: number, bytes: number): void {
    const { codec, machine } = this.options;
    const { iteration, pages, zeroPages } = this.current;
    if (!this.takesPages) throw new MigrationError('malformed', 'pages came where none were due');
    const zeros = codec.checkBatch(payload, bytes, iteration, machine.memory.ramPages);
    if (zeros < 0) throw new MigrationError('malformed', `a batch of pages of iteration ${iteration} is malformed`);
    codec.unpackPages(layout.RAM, payload);
    const count = machine.memory.view.getUint32(payload, true);
    this.current = { ...this.current, pages: pages + count, zeroPages: zeroPages + zeros };
  }

  private change(news: Partial<IncomingFigures>): void {
    this.current = { ...this.current, ...news };
    this.options.onChange(this.current);
  }
}

/** Throws MigrationError `malformed` if the source counted otherwise. */
function checkTotals<T extends object>(what: string, counted: T, claimed: T): void {
  for (const [field, count] of Object.entries(counted)) {
    const claim = claimed[field as keyof T];
    if (claim !== count)
      throw new MigrationError('malformed', `${what}: the source counts ${field} ${claim}, ${count} came`);
  }
}
