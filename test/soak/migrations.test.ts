/**
 * A guest of two harts that write all the time is migrated back and forth, with limits that change and migrations that are
 * cancelled: it never loses a page nor a heartbeat, and there is never more than one copy that runs.
 * DROVER_SOAK_MIGRATIONS says how often (500), DROVER_SOAK_SEED repeats a run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { UNLIMITED, incomingUri, migrationEnd } from '../bench/migrate.js';
import { heartbeats } from '../bench/pager.js';
import { DROVER } from '../bench/programs.js';
import { VmProcess, waitFor } from '../bench/vm-process.js';
import { Random } from '../random.js';
import { announcedSeed, setting } from './settings.js';

const MIB = 2 ** 20;
const COUNT = setting('DROVER_SOAK_MIGRATIONS', 500);
const GUEST = { program: DROVER, ramMiB: 96, harts: 2, guest: 'pager', append: 'region=48 rate=24' };
/** Longest time that one migration may take; without a limit it takes about a second. */
const PATIENCE_MS = 120_000;

const isRunning = async (vm: VmProcess) => (await vm.qmp.execute<{ running: boolean }>('query-status')).running;

/** Changes limits and may cancel, until the migration has ended; without limits in the end, so that it does end. */
async function disturb(source: VmProcess, random: Random): Promise<void> {
  for (let change = random.below(5); change > 0; change--) {
    await sleep(random.below(150));
    const limits = {
      'max-bandwidth': random.pick([4 * MIB, 40 * MIB, 400 * MIB, UNLIMITED]),
      'downtime-limit': random.pick([1, 50, 300, 2000]),
    };
    if (random.chance(15)) await source.qmp.execute('migrate_cancel');
    else await source.qmp.execute('migrate-set-parameters', limits);
  }
  await source.qmp.execute('migrate-set-parameters', { 'max-bandwidth': UNLIMITED, 'downtime-limit': 2000 });
}

test(`${COUNT} migrations of a guest that writes`, { timeout: COUNT * PATIENCE_MS }, async () => {
  const random = new Random(announcedSeed('migrations'));
  const counts = { completed: 0, cancelled: 0 };
  let earlier = '';
  let source = await VmProcess.start(GUEST);
  let destination: VmProcess | undefined;
  const beats = () => heartbeats(earlier + source.console);
  const expectMoreBeats = async (more: number) => {
    const from = beats();
    await waitFor('more heartbeats', () => beats() >= from + more || undefined, { timeoutMs: 120_000 });
  };
  try {
    await expectMoreBeats(1);
    for (let migration = 1; migration <= COUNT; migration++) {
      destination = await VmProcess.start({ ...GUEST, incoming: true });
      await source.qmp.execute('migrate-set-parameters', {
        'max-bandwidth': random.pick([20 * MIB, 200 * MIB, UNLIMITED]),
        'downtime-limit': random.pick([1, 100, 300]),
      });
      await source.qmp.execute('migrate', { uri: await incomingUri(destination) });
      await disturb(source, random);
      const { status, 'error-desc': reason } = await migrationEnd(source, PATIENCE_MS);
      if (status === 'completed') {
        await waitFor('the guest to run at the destination', async () => (await isRunning(destination!)) || undefined);
        expect(await isRunning(source)).toBe(false);
        earlier += source.console;
        await source.end();
        source = destination;
        counts.completed++;
      } else {
        expect(status, reason).toBe('cancelled');
        await waitFor('the guest to run on at the source', async () => (await isRunning(source)) || undefined);
        expect(destination.events.map(({ event }) => event)).not.toContain('RESUME');
        await destination.end();
        counts.cancelled++;
      }
      destination = undefined;
      await expectMoreBeats(random.chance(20) ? 2 : 1);
      if (migration % 25 === 0)
        console.log(`${migration} migrations: ${JSON.stringify(counts)}, ${beats()} heartbeats`);
    }
  } finally {
    await source.end();
    await destination?.end();
  }
  console.log(`${COUNT} migrations: ${JSON.stringify(counts)}`);
  expect(counts.completed).toBeGreaterThan(0);
});
