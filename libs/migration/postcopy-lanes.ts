/** How a source opens the connections of post-copy, the first time and after they were lost. */
import type { GuestMemory } from '#vmm';
import type { Codec } from './codec.js';
import { Connection } from './connection.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { Lanes } from './lanes.js';
import type { Channel, Clock } from './ports.js';
import { MAIN_LANE, URGENT_LANE, type Lane } from './scratch.js';

export interface LaneOptions {
  readonly memory: GuestMemory;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly migrationId: string;
  /** How long the destination may take to answer. */
  readonly patienceMs: number;
  readonly connect: () => Promise<Channel>;
}

/** A connection to the destination. Rejects with MigrationError `connect`. */
export async function connectLane({ connect, memory, codec, clock }: LaneOptions, lane: Lane): Promise<Connection> {
  try {
    const channel = await connect();
    return new Connection({ channel, memory, codec, clock, lane, peer: 'destination', onBatch: refuseBatch });
  } catch (error) {
    throw asMigrationError(error, 'connect');
  }
}

/** The second connection, once the destination has said READY or MISSING on the first. */
export async function joinUrgent(options: LaneOptions): Promise<Connection> {
  const urgent = await connectLane(options, URGENT_LANE);
  try {
    urgent.send('JOIN', { migrationId: options.migrationId, channel: 0 });
    await urgent.expect('READY', options.patienceMs);
    return urgent;
  } catch (error) {
    await urgent.close();
    throw error;
  }
}

/** Both connections anew, with what the destination misses; for `epoch` the guest has been let go. */
export async function recoverLanes(
  options: LaneOptions,
  epoch: number,
): Promise<{ lanes: Lanes; missing: Uint8Array }> {
  const { migrationId, patienceMs } = options;
  const main = await connectLane(options, MAIN_LANE);
  try {
    main.send('RECOVER', { migrationId, epoch });
    const missing = await main.expect('MISSING', patienceMs);
    return { lanes: { main, urgent: await joinUrgent(options) }, missing };
  } catch (error) {
    main.fail(asMigrationError(error, 'machine'));
    await main.close();
    throw error;
  }
}

function refuseBatch(): never {
  throw new MigrationError('malformed', 'the destination sent pages');
}
