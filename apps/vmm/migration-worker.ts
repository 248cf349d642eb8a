/** The thread of one migration, or of one wait for a migration: the engine on sockets of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { bindCodec, IncomingMigration, loadCompressors, MigrationError, PrecopySource } from '#migration';
import { GuestMemory } from '#vmm';
import { openCheckpoint } from './checkpoint-file.js';
import { CompressionPool } from './compression-pool.js';
import { CheckpointLoader, newPageHasher } from './hash-pool.js';
import { openDoor, type MigrationAddress } from './migration-address.js';
import type { Door } from './migration-tls.js';
import type { TlsCredentials } from './tls-credentials.js';
import { MONOTONIC } from './monotonic.js';
import { channelTo, socketChannel, unreadChannel, type SocketChannel } from './migration-channel.js';
import type {
  FromThread,
  IncomingRole,
  MachineCall,
  MachineCalls,
  MigrationTask,
  OutgoingRole,
  ToThread,
} from './migration-messages.js';

/** How long a connection may take, in recovery. */
const CONNECT_MS = 10_000;
/** How often figures are told while pages flow. */
const TELL_EVERY_MS = 100;

const { memory: wasmMemory, codecModule, boardVersion, role } = workerData as MigrationTask;
const memory = new GuestMemory(wasmMemory);
const codec = bindCodec(codecModule, wasmMemory, memory.addresses);
/** Before anybody is heard: pages may come compressed as soon as somebody has connected. */
const compressors = role.kind === 'incoming' ? await loadCompressors() : null;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
const tell = (message: FromThread) => parentPort!.postMessage(message);
let onOrder: (order: Exclude<ToThread, { kind: 'answer' }>) => void = () => undefined;
const calls = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
let callId = 0;

parentPort!.on('message', (message: ToThread) => {
  if (message.kind !== 'answer') return onOrder(message);
  const { id, answer, error } = message;
  const call = calls.get(id)!;
  calls.delete(id);
  if (error === null) call.resolve(answer);
  else call.reject(new Error(error));
});

/** Has the main thread do something with the machine. */
function ask<C extends MachineCall>(
  call: C,
  argument: MachineCalls[C]['argument'],
): Promise<MachineCalls[C]['answer']> {
  callId += 1;
  const id = callId;
  tell({ kind: 'call', id, call, argument });
  return new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
}

async function send(given: OutgoingRole): Promise<void> {
  const { address, migrationId, epoch, parameters, postcopy, channels, tls, letGo } = given;
  const source = new PrecopySource({
    migrationId,
    epoch,
    parameters,
    postcopy,
    channels,
    machine: {
      memory,
      boardVersion,
      stop: () => ask('stop', null),
      resume: async () => void (await ask('resume', null)),
      letGo: () => void Atomics.store(letGo, 0, 1),
      saveState: () => ask('saveState', null),
    },
    codec,
    clock: MONOTONIC,
    connect: (signal) => channelTo(address, signal, tls),
    onChange: (figures) => tell({ kind: 'outgoing', figures }),
    newCompressorPool: () => new CompressionPool(wasmMemory),
    newPageHasher: () => newPageHasher(wasmMemory),
    loadCompressors,
  });
  onOrder = (order) => {
    if (order.kind === 'cancel') source.cancel();
    else if (order.kind === 'parameters') source.setParameters(order.parameters);
    else if (order.kind === 'startPostcopy') attempt(() => source.startPostcopy());
    else if (order.kind === 'pause') attempt(() => source.pause());
    else if (order.kind === 'resume') {
      const connect = () => channelTo(order.address, AbortSignal.timeout(CONNECT_MS), tls);
      attempt(() => source.resume(connect));
    }
  };
  const timer = setInterval(() => tell({ kind: 'outgoing', figures: source.figures }), TELL_EVERY_MS);
  await source.run();
  clearInterval(timer);
}

async function receive({ address, epoch, recoverMs, pageMs, checkpoint, tls }: IncomingRole): Promise<void> {
  const migration = new IncomingMigration({
    machine: {
      memory,
      boardVersion,
      restoreState: async (state, running) => void (await ask('restoreState', { state, running })),
      start: async (running) => void (await ask('start', running)),
      lose: async () => void (await ask('lose', null)),
    },
    codec,
    clock: MONOTONIC,
    epoch,
    onChange: (figures) => tell({ kind: 'incoming', figures }),
    compressors: compressors!,
    postcopyPatienceMs: pageMs,
    openCheckpoint: () => loaderOf(checkpoint),
  });
  migration.setRecoverTime(recoverMs);
  const reception = new Reception(migration, tls);
  onOrder = (order) => {
    if (order.kind === 'finish') tell({ kind: 'finishing', refusal: finish(migration) });
    else if (order.kind === 'request') migration.request(order.pages);
    else if (order.kind === 'pause') attempt(() => migration.pause());
    else if (order.kind === 'giveUp') attempt(() => migration.giveUp());
    else if (order.kind === 'recoverTime') migration.setRecoverTime(order.ms);
    else if (order.kind === 'recover') void reception.moveTo(order.address);
  };
  await reception.open(address);
  const timer = setInterval(() => {
    if (migration.figures.status.startsWith('postcopy')) tell({ kind: 'incoming', figures: migration.figures });
  }, TELL_EVERY_MS);
  tell({ kind: 'received', outcome: await reception.arrival });
  clearInterval(timer);
  reception.shut();
}

/** Where connections come in, and who has: any number at the same time, until one of them was the migration. */
class Reception {
  readonly arrival: Promise<'running' | 'failed'>;
  private settle!: (outcome: 'running' | 'failed') => void;
  private door: Door | null = null;
  private readonly callers = new Set<SocketChannel>();

  constructor(
    private readonly migration: IncomingMigration,
    private readonly tls: TlsCredentials | null,
  ) {
    this.arrival = new Promise((resolve) => (this.settle = resolve));
  }

  /** Rejects if nobody can listen there. */
  async open(address: MigrationAddress): Promise<void> {
    tell({ kind: 'listening', bound: await this.listen(address) });
  }

  /** Listens there, and at the place of before no more. */
  async moveTo(address: MigrationAddress): Promise<void> {
    this.door?.close();
    try {
      tell({ kind: 'recovering', bound: await this.listen(address) });
    } catch (error) {
      tell({ kind: 'recoverFailed', message: (error as Error).message });
    }
  }

  shut(): void {
    this.door?.close();
    for (const caller of this.callers) caller.destroy();
  }

  private async listen(address: MigrationAddress): Promise<MigrationAddress> {
    const { door, bound } = await openDoor(address, this.tls);
    this.door = door;
    door.on('refused', ({ message }) => tell({ kind: 'stranger', message }));
    door.on('connection', (socket) => {
      const channel = this.tls ? socketChannel(socket) : unreadChannel(socket);
      this.callers.add(channel);
      void channel.closed.then(() => this.callers.delete(channel));
      void this.serve(channel);
    });
    return bound;
  }

  private async serve(channel: SocketChannel): Promise<void> {
    const outcome = await this.migration.receive(channel);
    if (outcome.kind === 'stranger') tell({ kind: 'stranger', message: outcome.error.message });
    else if (outcome.kind !== 'joined') this.settle(outcome.kind);
  }
}

/** Null if there is no checkpoint, or none that is of use: then everything is sent. */
function loaderOf(path: string | null): CheckpointLoader | null {
  if (path === null) return null;
  const complain = (error: Error) => tell({ kind: 'refused', message: `checkpoint ${path}: ${error.message}` });
  try {
    return new CheckpointLoader(wasmMemory, openCheckpoint(path, memory), complain);
  } catch (error) {
    complain(error as Error);
    return null;
  }
}

/** Carries out an order that may come at the wrong moment. */
function attempt(order: () => void): void {
  try {
    order();
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    tell({ kind: 'refused', message: error.message });
  }
}

/** Null if the order is carried out, or why not. */
function finish(migration: IncomingMigration): string | null {
  try {
    migration.finish();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

if (role.kind === 'outgoing') await send(role);
else await receive(role).catch((error: Error) => tell({ kind: 'listenFailed', message: error.message }));
parentPort!.close();
