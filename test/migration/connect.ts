/** Two ends of a migration in this process, for the engine's tests. */
import { expect, vi } from 'vitest';
import { IncomingMigration, PrecopySource } from '#migration';
import type { MigrationFigures, PrecopyParameters } from '#migration';
import { channelPair, codecOf, realClock, WritingMachine, type ReceivingMachine } from './support.js';

export const EVENTUALLY = { timeout: 20_000, interval: 5 };
const machines: WritingMachine[] = [];

export async function writingMachine(ramMiB: number, pages: number, burstPauseMs: number): Promise<WritingMachine> {
  const machine = await WritingMachine.start(ramMiB, pages, burstPauseMs);
  machines.push(machine);
  return machine;
}

/** For afterEach: ends the threads of `writingMachine`. */
export async function endMachines(): Promise<void> {
  await Promise.all(machines.splice(0).map((machine) => machine.end()));
}

/** Both sides, ready to run. */
export function connect(from: WritingMachine, to: ReceivingMachine, parameters: Partial<PrecopyParameters> = {}) {
  const [near, far] = channelPair();
  const seen: MigrationFigures[] = [];
  const source = new PrecopySource({
    migrationId: 'm-1',
    epoch: 8,
    parameters,
    machine: from,
    codec: codecOf(from.memory),
    clock: realClock,
    connect: async () => near,
    onChange: (figures) => seen.push(figures),
  });
  const destination = new IncomingMigration({
    machine: to,
    codec: codecOf(to.memory),
    clock: realClock,
    epoch: 7,
    onChange: () => undefined,
  });
  return { near, far, source, destination, seen };
}

/** The guest still runs at the source: it goes on writing. */
export async function expectGuestRuns(machine: WritingMachine): Promise<void> {
  const { writes } = machine;
  await vi.waitFor(() => expect(machine.writes).toBeGreaterThan(writes), EVENTUALLY);
}
