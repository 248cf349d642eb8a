/** The thread of one migration, or of one wait for a migration: the engine on sockets of its own. */
import { on } from 'node:events';
import type { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { bindCodec, IncomingMigration, PrecopySource } from '#migration';
import { GuestMemory } from '#vmm';
import { connectTo, listenAt } from './migration-address.js';
import { MONOTONIC } from './monotonic.js';
import { socketChannel } from './migration-channel.js';
import type {
  FromThread,
  IncomingRole,
  MachineCall,
  MachineCalls,
  MigrationTask,
  OutgoingRole,
  ToThread,
} from './migration-messages.js';

/** How often figures are told while pages flow. */
const TELL_EVERY_MS = 100;

const { memory: wasmMemory, codecModule, boardVersion, role } = workerData as MigrationTask;
const memory = new GuestMemory(wasmMemory);
const codec = bindCodec(codecModule, wasmMemory);
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

async function send({ address, migrationId, epoch, parameters }: OutgoingRole): Promise<void> {
  const source = new PrecopySource({
    migrationId,
    epoch,
    parameters,
    machine: {
      memory,
      boardVersion,
      stop: () => ask('stop', null),
      resume: async () => void (await ask('resume', null)),
      saveState: () => ask('saveState', null),
    },
    codec,
    clock: MONOTONIC,
    connect: async (signal) => socketChannel(await connectTo(address, signal)),
    onChange: (figures) => tell({ kind: 'outgoing', figures }),
  });
  onOrder = (order) => {
    if (order.kind === 'cancel') source.cancel();
    else if (order.kind === 'parameters') source.setParameters(order.parameters);
  };
  const timer = setInterval(() => tell({ kind: 'outgoing', figures: source.figures }), TELL_EVERY_MS);
  await source.run();
  clearInterval(timer);
}

async function receive({ address, epoch }: IncomingRole): Promise<void> {
  const migration = new IncomingMigration({
    machine: {
      memory,
      boardVersion,
      restoreState: async (state) => void (await ask('restoreState', state)),
      start: async (running) => void (await ask('start', running)),
    },
    codec,
    clock: MONOTONIC,
    epoch,
    onChange: (figures) => tell({ kind: 'incoming', figures }),
  });
  onOrder = (order) => {
    if (order.kind === 'finish') tell({ kind: 'finishing', refusal: finish(migration) });
  };
  const { server, bound } = await listenAt(address);
  const callers = new Set<Socket>();
  server.on('connection', (socket) => callers.add(socket.once('close', () => callers.delete(socket))));
  tell({ kind: 'listening', bound });
  // One after the other: whoever comes while another is being served waits, and finds the door shut if that one moved in.
  for await (const [socket] of on(server, 'connection') as AsyncIterable<[Socket]>) {
    const outcome = await migration.receive(socketChannel(socket));
    if (outcome.kind === 'stranger') {
      tell({ kind: 'stranger', message: outcome.error.message });
      continue;
    }
    tell({ kind: 'received', outcome: outcome.kind });
    break;
  }
  server.close();
  for (const caller of callers) caller.destroy();
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
