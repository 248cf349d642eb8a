/** Two ends of a migration in this process, for the engine's tests. */
import { expect, vi } from 'vitest';
import { compressInPlace, IncomingMigration, loadCompressors, PrecopySource } from '#migration';
import type { Checkpoint, CompressionJob, CompressorPool, MigrationFigures, PageHasher } from '#migration';
import type { PrecopyParameters } from '#migration';
import { type GuestMemory, layout } from '#vmm';
import {
  channelPair,
  codecOf,
  realClock,
  WritingMachine,
  type MemoryChannel,
  type ReceivingMachine,
} from './support.js';

export const EVENTUALLY = { timeout: 90_000, interval: 5 };
const machines: WritingMachine[] = [];
const compressors = await loadCompressors();

/** Compresses in this thread, one batch after the other, each a little later. */
class InlinePool implements CompressorPool {
  readonly isFree = true;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly memory: GuestMemory) {}

  setThreads(): void {}

  run(job: CompressionJob): Promise<number> {
    const done = this.last.then(() => compressInPlace(this.memory, compressors[job.method], job));
    this.last = done;
    return done;
  }

  close(): void {}
}

export async function writingMachine(ramMiB: number, pages: number, burstPauseMs: number): Promise<WritingMachine> {
  const machine = await WritingMachine.start(ramMiB, pages, burstPauseMs);
  machines.push(machine);
  return machine;
}

/** For afterEach: ends the threads of `writingMachine`. */
export async function endMachines(): Promise<void> {
  await Promise.all(machines.splice(0).map((machine) => machine.end()));
}

/** What each side has to do with a checkpoint of the VM; absent where a side knows of none. */
export interface CheckpointPorts {
  readonly newPageHasher?: () => PageHasher;
  readonly openCheckpoint?: () => Checkpoint | null;
}

/** Both sides, ready to run. */
export function connect(
  from: WritingMachine,
  to: ReceivingMachine,
  parameters: Partial<PrecopyParameters> = {},
  channels = 0,
  { newPageHasher, openCheckpoint, postcopy = false }: CheckpointPorts & { readonly postcopy?: boolean } = {},
) {
  const [near, far] = channelPair();
  // With a limit of 0 the test says when it ends: a device writes, too, in case the guest's thread gets no CPU for a pass.
  if (parameters.downtimeLimitMs === 0)
    near.tamper = (chunk) => {
      if (from.running) Atomics.or(from.memory.words, layout.DIRTY / 4, 1);
      return chunk;
    };
  /** The source's ends of connections beside the first; the destination takes those in by itself. */
  const others: MemoryChannel[] = [];
  let isConnected = false;
  const seen: MigrationFigures[] = [];
  const source = new PrecopySource({
    migrationId: 'm-1',
    epoch: 8,
    parameters,
    machine: from,
    codec: codecOf(from.memory),
    clock: realClock,
    channels,
    postcopy,
    connect: async () => {
      if (!isConnected) {
        isConnected = true;
        return near;
      }
      const [here, there] = channelPair();
      others.push(here);
      void destination.receive(there);
      return here;
    },
    onChange: (figures) => seen.push(figures),
    newCompressorPool: () => new InlinePool(from.memory),
    ...(newPageHasher && { newPageHasher }),
  });
  const destination = new IncomingMigration({
    machine: to,
    codec: codecOf(to.memory),
    clock: realClock,
    epoch: 7,
    onChange: () => undefined,
    compressors,
    ...(openCheckpoint && { openCheckpoint }),
  });
  return { near, far, others, source, destination, seen };
}

/** The guest still runs at the source: it goes on writing. */
export async function expectGuestRuns(machine: WritingMachine): Promise<void> {
  const { writes } = machine;
  await vi.waitFor(() => expect(machine.writes).toBeGreaterThan(writes), EVENTUALLY);
}
