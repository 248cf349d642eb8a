/** Each process of a running datacenter is killed once: every other VM runs on, and the system heals within 30 s. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SmallDatacenter, eventually, startSmallDatacenter } from '../../e2e/small-datacenter.js';

const HEALED_MS = 30_000;
let small: SmallDatacenter;

beforeAll(async () => {
  small = await startSmallDatacenter({ hosts: 2, expectsDeaths: true });
  await small.createPager('still', 'host-2');
});
afterAll(() => small?.stop());

/** Process ids of the VMMs of one VM that run on a host. */
function vmmPids(host: string, vmId: string): number[] {
  const dir = small.datacenter.hostDir(host);
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
        return command.includes('apps/vmm/main.js') && command.includes(vmId) && command.includes(dir);
      } catch {
        return false; // it ended meanwhile
      }
    })
    .map(Number);
}

/** A migration from host-1 to host-2 that takes a while: slowed down, and guests that write. */
async function startSlowMigration(name: string) {
  const { client } = small.datacenter;
  const vm = await small.createPager(name, 'host-1', 'region=48 rate=1', 96);
  const slow = await client.migrationPolicies.create({ name: `slow-${name}`, bandwidthMiBps: 8 });
  await client.clusters.update(small.cluster.id, { migrationPolicyId: slow.id });
  await client.vms.migrate(vm.id, { destinationHostId: (await small.host('host-2')).id });
  await eventually(async () => {
    const migration = (await client.migrations.list({ vmId: vm.id })).items[0];
    expect(migration?.status).toBe('precopy');
    expect(migration?.progress?.transferredBytes).toBeGreaterThan(2 ** 20);
  });
  return vm;
}

const lastMigration = async (vmId: string) => (await small.datacenter.client.migrations.list({ vmId })).items[0]!;

test('an agent: its VMs run on in the same processes, and it finds them again', async () => {
  const vm = await small.createPager('adopted', 'host-1');
  const before = vmmPids('host-1', vm.id);
  expect(before).toHaveLength(1);
  process.kill(small.datacenter.agents.get('host-1')!.pid!, 'SIGKILL');
  await eventually(async () => expect((await small.host('host-1')).status).toBe('up'), HEALED_MS);
  await small.expectBeating('adopted');
  expect(vmmPids('host-1', vm.id)).toEqual(before);
});

test('a VMM: its VM is down with a reason, the others run on', async () => {
  const vm = await small.createPager('victim', 'host-1');
  process.kill(vmmPids('host-1', vm.id)[0]!, 'SIGKILL');
  await eventually(async () => {
    const now = await small.vm('victim');
    expect(now.status).toBe('down');
    expect(now.statusReason).toMatch(/killed|SIGKILL|ended|died/i);
  }, HEALED_MS);
  await small.expectBeating('still');
});

test('the destination VMM in mid-migration: the source runs on', async () => {
  const vm = await startSlowMigration('loses-destination');
  process.kill(vmmPids('host-2', vm.id)[0]!, 'SIGKILL');
  await eventually(async () => {
    expect(await lastMigration(vm.id)).toMatchObject({ status: 'failed', error: { phase: 'perform' } });
    expect(await small.vm(vm.name)).toMatchObject({ status: 'up', hostId: (await small.host('host-1')).id });
  }, HEALED_MS);
  await small.expectBeating(vm.name);
});

test('the source VMM in mid-migration: the VM is down with a reason, nothing is left at the destination', async () => {
  const vm = await startSlowMigration('loses-source');
  process.kill(vmmPids('host-1', vm.id)[0]!, 'SIGKILL');
  await eventually(async () => {
    expect((await lastMigration(vm.id)).status).toBe('failed');
    expect((await small.vm(vm.name)).status).toBe('down');
    expect(vmmPids('host-2', vm.id)).toEqual([]);
  }, HEALED_MS);
  await small.expectBeating('still');
});

test('the controller in mid-migration: the migration finishes without it, and it learns the end', async () => {
  const vm = await startSlowMigration('without-controller');
  process.kill(small.datacenter.controller.pid!, 'SIGKILL');
  await eventually(async () => {
    expect(await lastMigration(vm.id)).toMatchObject({ status: 'completed' });
    expect((await small.vm(vm.name)).hostId).toBe((await small.host('host-2')).id);
  }, HEALED_MS);
  await small.expectBeating(vm.name);
});

test('the source agent in mid-migration: the migration ends in a clear state, with one running copy', async () => {
  const vm = await startSlowMigration('without-source-agent');
  process.kill(small.datacenter.agents.get('host-1')!.pid!, 'SIGKILL');
  await eventually(
    async () => expect(['completed', 'failed']).toContain((await lastMigration(vm.id)).status),
    HEALED_MS,
  );
  await small.expectBeating(vm.name);
  expect([...vmmPids('host-1', vm.id), ...vmmPids('host-2', vm.id)]).toHaveLength(1);
});

test('PostgreSQL: VMs run on, the API comes back', async () => {
  const { postgres } = small.datacenter;
  const killed = postgres!.pid()!;
  process.kill(killed, 'SIGKILL');
  await eventually(
    async () => expect(postgres!.pid()).toSatisfy((pid) => pid !== undefined && pid !== killed),
    HEALED_MS,
  );
  await eventually(async () => expect((await small.host('host-2')).status).toBe('up'), HEALED_MS);
  await small.expectBeating('still');
});
