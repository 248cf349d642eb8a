/** A guest that writes faster than it may be sent is moved all the same: by its policy, decided by the controller. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import type { Convergence } from '#contracts';
import { VERSION } from '../../apps/controller/version.js';
import { eventually, type SmallDatacenter, startSmallDatacenter } from './small-datacenter.js';

let small: SmallDatacenter;

beforeAll(async () => {
  small = await startSmallDatacenter({ agentEnv: { DROVER_PROBE_SECONDS: '5' } });
});
afterAll(() => small?.stop());
vi.setConfig({ testTimeout: 240_000 });

const ended = (id: string) =>
  eventually(async () => {
    const detail = await small.datacenter.client.migrations.get(id);
    expect(detail, JSON.stringify(detail.error)).toMatchObject({ status: 'completed' });
    return detail;
  }, 180_000);

test('the mildest means that ends it in time is applied, and told with its figures', async () => {
  const { client } = small.datacenter;
  const policy = await client.migrationPolicies.create({
    name: 'narrow',
    downtimeLimitMs: 50,
    bandwidthMiBps: 16,
    timeoutSeconds: 120,
    convergence: { means: [{ means: 'throttle' }, { means: 'suspend' }], deadlineSeconds: 100 },
  });
  const vm = await small.createPager('busy', 'host-1', 'region=8 rate=max', 64);
  const { id: destinationHostId } = await small.host('host-2');
  const { id } = await client.vms.migrate(vm.id, { destinationHostId, migrationPolicyId: policy.id });
  const migration = await ended(id);
  expect(migration.convergence).toEqual(policy.convergence);
  const [first] = migration.decisions;
  expect(first).toMatchObject({ number: 1, by: 'controller', means: 'throttle', failure: null });
  expect(first!.figures.dirtyRateMiBps).toBeGreaterThan(first!.figures.bandwidthMiBps!);
  const { items } = await client.events.list({ migrationId: id, type: 'migration.step' });
  expect(items.map(({ message }) => message)).toContain(`busy: ${first!.reason}`);
  await small.expectBeating('busy');

  const hop = (await client.vms.migrations(vm.id)).items[0]!;
  expect(hop).toMatchObject({ id, ordinal: 1, sourceHostName: 'host-1', destinationHostName: 'host-2' });
  expect(hop.means[0]).toMatchObject({ means: 'throttle', by: 'controller' });
  expect(hop.versions).toEqual({ controller: VERSION, sourceAgent: VERSION, destinationAgent: VERSION });
  const lines = await eventually(async () => {
    const log = await client.migrations.log(id);
    expect(log.lines.filter(({ side }) => side === 'source').length).toBeGreaterThan(3);
    expect(log.lines).toContainEqual(expect.objectContaining({ side: 'destination', message: 'VM has arrived' }));
    return log.lines;
  });
  expect(lines).toContainEqual(expect.objectContaining({ side: 'source', from: 'agent', message: first!.reason }));
  expect(lines).toContainEqual(
    expect.objectContaining({ side: 'controller', message: expect.stringMatching(/^completed:/) as string }),
  );
});

/** Ends by suspend, when that which costs the guest nothing was not enough. */
const policyWith = async (name: string, convergence: z.input<typeof Convergence>) => {
  const { means = [] } = convergence;
  const policy = await small.datacenter.client.migrationPolicies.create({
    ...{ name, downtimeLimitMs: 50, bandwidthMiBps: 8, timeoutSeconds: 300 },
    convergence: { deadlineSeconds: 200, ...convergence, means: [...means, { means: 'suspend' }] },
  });
  return policy.id;
};

test.each([
  { pages: 'rate=12 compress=95 change=100', means: 'compression' as const, allowed: ['compression' as const] },
  {
    pages: 'rate=20 compress=0 change=1',
    means: 'xbzrle' as const,
    allowed: ['compression' as const, 'xbzrle' as const],
  },
])('a guest with $pages: as sampled, $means is to help, and it does', async ({ pages, means, allowed }) => {
  const { client } = small.datacenter;
  const name = `pages-for-${means}`;
  const migrationPolicyId = await policyWith(name, { means: allowed.map((each) => ({ means: each })) });
  const vm = await small.createPager(name, 'host-1', `region=8 ${pages}`, 64);
  await client.vms.update(vm.id, { migrationPolicyId });
  // A guest that starts does not write as much as it will at once.
  await eventually(async () => expect((await client.vms.migrationPrediction(vm.id)).means[0]).toMatchObject({ means }));
  const { id: destinationHostId } = await small.host('host-2');
  const { id } = await client.vms.migrate(vm.id, { destinationHostId });
  const { decisions, progress } = await ended(id);
  expect(decisions).toContainEqual(expect.objectContaining({ means, by: 'controller', failure: null }));
  const did = progress![means]!;
  expect(did.pages).toBeGreaterThan(100);
  expect(did.bytes).toBeLessThan((did.pages * 4096) / 2);
  await small.expectBeating(name, 1);
  await client.vms.stop(vm.id, { mode: 'power_off' });
});

test('several connections: the migration is begun anew with them, and tells what they carried', async () => {
  const { client } = small.datacenter;
  const migrationPolicyId = await policyWith('connections', { mode: 'ordered', means: [{ means: 'multifd' }] });
  const { id: vmId } = await small.vm('busy');
  const { id: destinationHostId } = await small.host('host-1');
  const { id } = await client.vms.migrate(vmId, { destinationHostId, migrationPolicyId });
  const { decisions, progress } = await ended(id);
  expect(decisions[0]).toMatchObject({ means: 'multifd', value: 4, restarted: true, failure: null });
  expect(progress!.multifdBytes).toBeGreaterThan(progress!.transferredBytes / 2);
  await small.expectBeating('busy', 1);
});

test('what a move would take is measured before anybody orders it, and kept with the VM', async () => {
  const { client } = small.datacenter;
  const { id } = await small.vm('busy');
  // Its host does so by itself now and then.
  const known = await eventually(async () => {
    const { migrationPrediction } = await small.vm('busy');
    expect(migrationPrediction).toMatchObject({ bandwidthFrom: expect.any(String), usedMiB: expect.any(Number) });
    return migrationPrediction!;
  });
  await eventually(async () =>
    expect(Date.parse((await small.vm('busy')).migrationPrediction!.at)).toBeGreaterThan(Date.parse(known.at)),
  );
  const busy = await client.vms.migrationPrediction(id);
  expect(busy.dirtyRateMiBps).toBeGreaterThan(1);
  expect(busy.bandwidthMiBps).toBeGreaterThan(0);
  const kept = (await small.vm('busy')).migrationPrediction!; // or what its host has found since
  expect(Date.parse(kept.at)).toBeGreaterThanOrEqual(Date.parse(busy.at));
  // A link that carries less than the guest writes.
  const { id: policyId } = await client.migrationPolicies.create({
    name: 'very-narrow',
    bandwidthMiBps: 1,
    convergence: { means: [{ means: 'post_copy' }, { means: 'suspend' }], deadlineSeconds: 600 },
  });
  await client.vms.update(id, { migrationPolicyId: policyId });
  const narrow = await client.vms.migrationPrediction(id);
  expect(narrow).toMatchObject({
    bandwidthMiBps: 1,
    bandwidthFrom: 'limit',
    means: [{ means: 'post_copy', value: null }],
  });
  expect(narrow.totalMs).toBeGreaterThanOrEqual(narrow.usedMiB * 1000); // all of it once, at 1 MiB/s
  expect(narrow.reason).toMatch(/would not end/);
});

test('a policy that makes no sense is refused with the field that is wrong', async () => {
  const { client } = small.datacenter;
  const means = [{ means: 'downtime_limit' as const, stepsMs: [500, 100] }];
  const refused = client.migrationPolicies.create({ name: 'wrong', convergence: { means } });
  await expect(refused).rejects.toMatchObject({
    status: 400,
    errors: [{ field: 'convergence.means.0.stepsMs', message: 'give each step once, the shortest first' }],
  });
  const presets = (await client.migrationPolicies.list({})).items.map(({ name }) => name);
  expect(presets).toEqual(
    expect.arrayContaining(['minimal_downtime', 'post_copy', 'suspend_workload_if_needed', 'very_large_vms']),
  );
});
