/** What the database itself guarantees, whatever the code above it does. */
import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Convergence } from '#contracts';
import { Conflict, Database, NotFound, openDataSource } from '#database';
import { IllegalTransition } from '#lifecycle';
import { startTestPostgres, type TestPostgres } from '../postgres.js';

let postgres: TestPostgres;
let source: DataSource;
let db: Database;
let clusterId: string;
let hostId: string;
const NOW = new Date('2026-01-01T00:00:00.123Z');

beforeAll(async () => {
  postgres = await startTestPostgres();
  const onError = (error: Error) => {
    throw error;
  };
  source = await openDataSource({ url: postgres.url, onError });
  db = new Database(source);
  const migrationPolicyId = await db.migrationPolicies.defaultId();
  const settings = { description: '', cooldownSeconds: 60, maxMigrationsPerHost: 2, migrationPolicyId };
  ({ id: clusterId } = await db.clusters.create({ name: 'main', schedulingPolicy: { name: 'none' }, ...settings }));
  ({ id: hostId } = await db.hosts.create({ name: 'alpha', clusterId }, 'hash'));
});

afterAll(async () => {
  await source?.destroy();
  await postgres?.stop();
});

const newVm = (name: string) =>
  db.vms.create({
    name,
    clusterId,
    vcpus: 1,
    memoryMiB: 64,
    image: 'pager',
    append: '',
    nics: [],
    disks: [],
    migrationPolicyId: null,
    statusReason: '',
  });
const starting = { hostId: '', epoch: 1, lastEpoch: 1 };
const startedVm = async (name: string) => {
  const { id } = await newVm(name);
  await db.transaction(({ vms }) => vms.changeStatus(id, 'starting', { ...starting, hostId }, NOW));
  return db.transaction(({ vms }) => vms.changeStatus(id, 'up', { startedAt: NOW }, NOW));
};
const move = (vmId: string, epoch: number) => ({
  clusterId,
  vmId,
  vmName: 'x',
  sourceHostId: hostId,
  sourceHostName: 'alpha',
  destinationHostId: hostId,
  destinationHostName: 'alpha',
  trigger: 'manual' as const,
  reason: '',
  planId: null,
  sourceEpoch: epoch - 1,
  epoch,
  downtimeLimitMs: 300,
  bandwidthMiBps: null,
  timeoutSeconds: 60,
  convergence: Convergence.parse({}),
  versions: null,
});

test('a status changes along the tables alone, and keeps its time to the millisecond', async () => {
  const vm = await startedVm('status-1');
  expect((await db.vms.get(vm.id)).statusSince).toEqual(NOW);
  const illegal = db.transaction(({ vms }) => vms.changeStatus(vm.id, 'starting', {}, NOW));
  await expect(illegal).rejects.toThrow(IllegalTransition);
  const host = db.transaction(({ hosts }) => hosts.changeStatus(hostId, 'non_responsive', {}, NOW));
  await expect(host).rejects.toThrow(/host alpha cannot go from installing to non_responsive/);
  const down = await db.transaction(({ vms }) => vms.changeStatus(vm.id, 'down', {}, NOW));
  expect(down.hostId).toBeNull();
});

test('an epoch only grows, even for SQL that knows nothing of it', async () => {
  const { id } = await startedVm('epoch-1');
  await source.query('UPDATE vm SET last_epoch = 7, epoch = 5 WHERE id = $1', [id]);
  await expect(source.query('UPDATE vm SET epoch = 4 WHERE id = $1', [id])).rejects.toThrow(/only grows/);
  await expect(source.query('UPDATE vm SET last_epoch = 6 WHERE id = $1', [id])).rejects.toThrow(/only grows/);
  await expect(source.query('UPDATE vm SET epoch = 8 WHERE id = $1', [id])).rejects.toThrow(/vm_epoch_check/);
});

test('a VM that is not down has a host, and one that is has none', async () => {
  const { id } = await newVm('home-1');
  await expect(source.query(`UPDATE vm SET status = 'up' WHERE id = $1`, [id])).rejects.toThrow(/vm_host_check/);
  await expect(source.query('UPDATE vm SET host_id = $2 WHERE id = $1', [id, hostId])).rejects.toThrow(/vm_host_check/);
});

test('a VM has one migration under way at most', async () => {
  const { id } = await startedVm('move-1');
  const first = await db.transaction(({ migrations }) => migrations.create(move(id, 2), NOW));
  const second = () => db.transaction(({ migrations }) => migrations.create(move(id, 3), NOW));
  await expect(second()).rejects.toThrow(
    new Conflict('the VM is being migrated already; wait for the end of that migration, or cancel it'),
  );
  await db.transaction(({ migrations }) => migrations.changeStatus(first.id, 'cancelled', 'enough', {}, NOW));
  expect(await second()).toMatchObject({ ordinal: 2, status: 'planned' });
  const revived = db.transaction(({ migrations }) => migrations.changeStatus(first.id, 'queued', '', {}, NOW));
  await expect(revived).rejects.toThrow(IllegalTransition);
  expect((await db.migrations.timeline(first.id)).map(({ status }) => status)).toEqual(['planned', 'cancelled']);
});

test('what stands in the way is named', async () => {
  await newVm('name-1');
  await expect(db.transaction(({ vms }) => vms.create({ ...vmDefinition(), name: 'name-1' }))).rejects.toThrow(
    /there is a vm of this name already; choose another name/,
  );
  await expect(db.transaction(({ hosts }) => hosts.remove(hostId))).rejects.toThrow(/a vm refers to this host/);
  await expect(db.vms.get(randomUUID())).rejects.toThrow(NotFound);
});

const vmDefinition = () => ({
  name: '',
  clusterId,
  vcpus: 1,
  memoryMiB: 64,
  image: 'pager',
  append: '',
  nics: [],
  disks: [],
  migrationPolicyId: null,
  statusReason: '',
});

test('a transaction that lost a race is done again', async () => {
  const [a, b] = [(await newVm('race-1')).id, (await newVm('race-2')).id];
  let attempts = 0;
  const lockBoth = (first: string, second: string) =>
    db.transaction(async ({ vms }) => {
      attempts++;
      await vms.lock(first);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await vms.lock(second); // the other way round: one of the two is chosen as victim
    });
  await Promise.all([lockBoth(a, b), lockBoth(b, a)]);
  expect(attempts).toBeGreaterThanOrEqual(3);
});

test('a migration keeps its figures, and counts what is on its way as used', async () => {
  const vm = await startedVm('figures-1');
  const migration = await db.transaction(({ migrations }) => migrations.create(move(vm.id, 2), NOW));
  const iteration = {
    iteration: 1,
    pages: 3,
    zeroPages: 1,
    bytes: 2 ** 40,
    durationMs: 1.5,
    bandwidthMiBps: 7,
    dirtyRateMiBps: 0,
    remainingBytes: 2 ** 41,
    expectedDowntimeMs: null,
  };
  await db.migrations.saveIterations(migration.id, [iteration]);
  await db.migrations.saveIterations(migration.id, [{ ...iteration, pages: 4 }]); // a heartbeat says it again
  expect(await db.migrations.iterations(migration.id)).toMatchObject([{ ...iteration, pages: 4 }]);
  const usageOf = await db.hosts.usage([hostId]);
  expect(usageOf(hostId).migrationCount).toBeGreaterThan(0);
});

test('an Idempotency-Key that died with its controller is free again after a minute', async () => {
  const key = randomUUID();
  expect(await db.idempotencyKeys.begin(key, 'hash', NOW)).toBeNull();
  const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
  expect(await db.idempotencyKeys.begin(key, 'hash', later(10))).toMatchObject({ status: null });
  expect(await db.idempotencyKeys.begin(key, 'hash', later(61))).toBeNull();
});
