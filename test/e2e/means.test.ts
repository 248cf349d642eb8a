/** Guests that write faster than the link carries it, and each means by which their migration ends all the same. */
import { expect, test, vi } from 'vitest';
import {
  EVENTUALLY,
  expectGuestGoesOn,
  migrationEnd,
  migrationWhen,
  queryMigrate,
  setCapability,
  setParameters,
  startDestination,
  startPager,
  uriOf,
  type Running,
} from './pager-migration.js';

const MIB = 2 ** 20;
/** Half of what it writes at least can never be sent in time. */
const NARROW = { 'max-bandwidth': 16 * MIB, 'downtime-limit': 100 };
const WRITES_TOO_FAST = 'region=8 rate=max';
/** The same for a guest of which even the hundredth part writes some MiB/s. */
const WIDER = { 'max-bandwidth': 48 * MIB, 'downtime-limit': 100 };

/** A migration that does not converge: it has gone over the dirty log again and again. */
async function startEndless(guest: string, link = NARROW): Promise<{ source: Running; destination: Running }> {
  const [source, destination] = await Promise.all([startPager(guest), startDestination()]);
  await setParameters(source, link);
  await source.qmp.execute('migrate', { uri: await uriOf(destination) });
  await migrationWhen(source, ({ ram }) => ram?.['dirty-sync-count'] > 1);
  return { source, destination };
}

const throttles = async ({ qmp }: Running) => {
  const { harts } = await qmp.execute<{ harts: { 'throttle-percentage': number }[] }>('x-drover-stats');
  return harts.map((hart) => hart['throttle-percentage']);
};

async function expectArrival({ source, destination }: { source: Running; destination: Running }): Promise<void> {
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed' });
  expect(await throttles(source)).toEqual([0, 0]);
  expect(await throttles(destination)).toEqual([0, 0]);
  await expectGuestGoesOn(destination);
}

test('auto-converge, switched on in mid-flight', async () => {
  const both = await startEndless('region=24 rate=max', WIDER);
  await setParameters(both.source, { 'cpu-throttle-initial': 99 });
  await setCapability(both.source, 'auto-converge', true);
  await migrationWhen(both.source, (answer) => answer['cpu-throttle-percentage'] === 99);
  await expectArrival(both);
});

test('a throttle from outside; a cancelled migration leaves the guest as fast as it was', async () => {
  const { source } = await startEndless(WRITES_TOO_FAST);
  await setParameters(source, { 'x-drover-cpu-throttle': 40, 'x-drover-park-harts': 1 });
  await migrationWhen(source, (answer) => answer['cpu-throttle-percentage'] === 40);
  await vi.waitFor(
    async () => expect((await throttles(source)).toSorted((a, b) => a - b)).toEqual([40, 100]),
    EVENTUALLY,
  );
  expect(await source.qmp.execute('query-migrate-parameters')).toMatchObject({ 'x-drover-park-harts': 1 });
  await source.qmp.execute('migrate_cancel');
  expect((await migrationEnd(source)).status).toBe('cancelled');
  expect(await throttles(source)).toEqual([0, 0]);
  expect(await source.qmp.execute('query-migrate-parameters')).toMatchObject({
    'x-drover-park-harts': 0,
    'x-drover-cpu-throttle': 0,
  });
  await expect(setParameters(source, { 'x-drover-park-harts': 2 })).rejects.toThrow('one of the VM');
  await expect(setParameters(source, { 'x-drover-cpu-throttle': 40 })).rejects.toThrow('there is none');
  await expectGuestGoesOn(source);
});

test('only the hart that writes is slowed down; a destination that is killed leaves it as fast as it was', async () => {
  const { source, destination } = await startEndless(`${WRITES_TOO_FAST} harts=1`);
  await setParameters(source, { 'x-drover-throttle-writers': true, 'x-drover-cpu-throttle': 50 });
  await migrationWhen(source, (answer) => answer['cpu-throttle-percentage'] === 50);
  await vi.waitFor(
    async () => expect((await throttles(source)).toSorted((a, b) => a - b)).toEqual([0, 50]),
    EVENTUALLY,
  );
  destination.vmm.kill('SIGKILL');
  expect((await migrationEnd(source)).status).toBe('failed');
  expect(await throttles(source)).toEqual([0, 0]);
  await expectGuestGoesOn(source);
});

test('XBZRLE, switched on in mid-flight, where little of each page changes', async () => {
  const both = await startEndless(`${WRITES_TOO_FAST} change=1`);
  await setParameters(both.source, { 'xbzrle-cache-size': 16 * MIB });
  await setCapability(both.source, 'xbzrle', true);
  await expectArrival(both);
  const { 'xbzrle-cache': cache } = await queryMigrate(both.source);
  expect(cache).toMatchObject({ 'cache-size': 16 * MIB, overflow: expect.any(Number) });
  expect(cache!.pages).toBeGreaterThan(1000);
  expect(cache!['encoding-rate']).toBeGreaterThan(2);
  await expect(setParameters(both.source, { 'xbzrle-cache-size': 5000 })).rejects.toThrow('power of two');
});

test('compression, switched on in mid-flight, where pages compress', async () => {
  const both = await startEndless('region=8 rate=24 compress=95');
  await setParameters(both.source, { 'compress-threads': 2, 'x-drover-compress-method': 'lz4' });
  await setCapability(both.source, 'compress', true);
  await expectArrival(both);
  const { compression } = await queryMigrate(both.source);
  expect(compression!.pages).toBeGreaterThan(1000);
  expect(compression!['compression-rate']).toBeGreaterThan(2);
});

test('several connections, with compression and XBZRLE; what they begin with stays', async () => {
  const [source, destination] = await Promise.all([startPager('region=8 rate=24 compress=95'), startDestination()]);
  await setCapability(source, 'multifd', true);
  await setCapability(source, 'xbzrle', true);
  await setParameters(source, { ...NARROW, 'multifd-channels': 4, 'multifd-compression': 'zstd' });
  await source.qmp.execute('migrate', { uri: await uriOf(destination) });
  await migrationWhen(source, ({ status }) => status === 'active');
  await expect(setCapability(source, 'multifd', false)).rejects.toThrow('while a migration is under way');
  await expect(setParameters(source, { 'multifd-channels': 3 })).rejects.toThrow('while a migration is under way');
  await expectArrival({ source, destination });
  const { ram } = await queryMigrate(source);
  expect(ram['multifd-bytes']).toBeGreaterThan(ram.transferred / 2);
  expect(ram['multifd-bytes']).toBeLessThan(ram.transferred);
});
