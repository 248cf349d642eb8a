/** From a policy's decision to the first page: a datacenter of real processes, with one move in each plan. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DroverClient } from '#client';
import type { MigrationDetail } from '#contracts';
import { Datacenter } from '../../tools/datacenter.js';
import { freePort } from '../../tools/postgres.js';
import { type Section, formatFigure, median } from './table.js';
import { waitFor } from './vm-process.js';

const HOSTS = ['host-1', 'host-2'];
const VMS = 4;
/** Low enough for two VMs on each host: the VMs are small beside their hosts. */
const POLICY = { name: 'evenly_distributed', parameters: { ImbalanceThreshold: 2 } } as const;

/** ms from the decision that the migration begins until ... */
interface Latency {
  /** ... the source's agent took the order from its queue. */
  readonly takenMs: number;
  /** ... it gave the order to the source VM's process, which sends the first page as soon as it is connected. */
  readonly sendingMs: number;
  /** ... the migration's timeline says precopy: the news comes with a heartbeat. */
  readonly toldMs: number;
}

/** When an agent logged what about a migration. */
function logTimes(logFile: string, migrationId: string): { action?: string; atMs: number }[] {
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(migrationId))
    .map((line) => JSON.parse(line) as { action?: string; time: string | number })
    .map(({ action, time }) => ({ action, atMs: new Date(time).getTime() }));
}

function latencyOf(dir: string, migration: MigrationDetail): Latency {
  const decidedMs = Date.parse(migration.createdAt);
  const times = logTimes(join(dir, 'log', `${migration.sourceHostName}.log`), migration.id);
  const precopy = migration.timeline.find(({ status }) => ['precopy', 'switchover', 'completed'].includes(status));
  const sending = times.find(({ action }) => action === 'migrate');
  if (!sending || !precopy) throw new Error(`migration ${migration.id} has no time at which it began to send`);
  return {
    takenMs: times[0]!.atMs - decidedMs,
    sendingMs: sending.atMs - decidedMs,
    toldMs: Date.parse(precopy.at) - decidedMs,
  };
}

/** All VMs are up, `host` has `count` of them, and nothing moves. */
async function settled(client: DroverClient, host: string, count: number): Promise<void> {
  await waitFor(
    `${count} VMs on ${host}`,
    async () => {
      const { items } = await client.vms.list({});
      const { id } = (await client.hosts.list({ name: host })).items[0]!;
      const isSettled = items.every(({ status }) => status === 'up');
      return (isSettled && items.filter(({ hostId }) => hostId === id).length === count) || undefined;
    },
    { timeoutMs: 180_000, intervalMs: 250 },
  );
}

/** The policy spreads the VMs, then a host is emptied and filled again, `rounds` times. */
async function spreadAndEmpty(client: DroverClient, clusterId: string, rounds: number): Promise<void> {
  const [first, second] = HOSTS as [string, string];
  const idOf = async (name: string) => (await client.hosts.list({ name })).items[0]!.id;
  const hostId = await idOf(first);
  for (let vm = 1; vm <= VMS; vm++) {
    const guest = { image: 'pager', append: 'region=16 rate=1', memoryMiB: 64 };
    await client.vms.create({ name: `vm-${vm}`, clusterId, hostId, ...guest });
  }
  await settled(client, first, VMS);
  await client.clusters.update(clusterId, { schedulingPolicy: POLICY });
  for (let round = 0; round < rounds; round++) {
    await settled(client, second, VMS / 2);
    await client.hosts.deactivate(await idOf(second), { reason: 'benchmark' });
    await settled(client, first, VMS);
    await waitFor('maintenance', async () => {
      return (await client.hosts.list({ name: second })).items[0]!.status === 'maintenance' || undefined;
    });
    await client.hosts.activate(await idOf(second));
  }
  await settled(client, second, VMS / 2);
}

/** The table of latencies; `say` hears how it goes on. */
export async function benchPolicy(repeats: number, say: (line: string) => void): Promise<Section> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-bench-'));
  chmodSync(dir, 0o755); // PostgreSQL runs as another user when this runs as root
  const controllerEnv = { DROVER_POLICY_INTERVAL_SECONDS: '1' };
  const datacenter = await Datacenter.start({ dir, port: await freePort(), durable: false, controllerEnv, say });
  try {
    const { client } = datacenter;
    const cluster = await client.clusters.create({ name: 'bench', cooldownSeconds: 0, maxMigrationsPerHost: 1 });
    for (const name of HOSTS) await datacenter.startHost({ name, cpuCores: 2, memoryMiB: 1024 }, cluster.id);
    await waitFor('hosts that are up', async () => {
      const { items } = await client.hosts.list({ status: 'up' });
      return items.length === HOSTS.length || undefined;
    });
    await spreadAndEmpty(client, cluster.id, repeats - 1);
    const moves = (await client.migrations.list({})).items.filter(({ planId }) => planId !== null);
    const details = await Promise.all(moves.map(({ id }) => client.migrations.get(id)));
    const latencies = details.map((migration) => latencyOf(dir, migration));
    const row = (name: string, figure: keyof Latency) => {
      const values = latencies.map((latency) => latency[figure]);
      say(`policy, ${name}: ${values.map(formatFigure).join(', ')} ms`);
      return [name, ...[median(values), Math.min(...values), Math.max(...values)].map(formatFigure)];
    };
    return {
      columns: ['From the decision until', 'Median, ms', 'Least, ms', 'Most, ms'],
      rows: [
        row("the source's agent has the order", 'takenMs'),
        row("the source VM's process is told to send", 'sendingMs'),
        row('the migration is shown as precopy', 'toldMs'),
      ],
      notes: [`${moves.length} migrations, one at a time, on the PostgreSQL queue.`],
    };
  } finally {
    await datacenter.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
