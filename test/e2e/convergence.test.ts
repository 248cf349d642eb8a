/** A guest that writes faster than it may be sent is moved all the same: by its policy, decided by the controller. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../apps/controller/version.js';
import { eventually, type SmallDatacenter, startSmallDatacenter } from './small-datacenter.js';

let small: SmallDatacenter;

beforeAll(async () => {
  small = await startSmallDatacenter();
});
afterAll(() => small?.stop());

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
  const migration = await eventually(async () => {
    const detail = await client.migrations.get(id);
    expect(detail, JSON.stringify(detail.error)).toMatchObject({ status: 'completed' });
    return detail;
  }, 60_000);
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

test('what a move would take is measured before anybody orders it, and kept with the VM', async () => {
  const { client } = small.datacenter;
  const { id } = await small.vm('busy');
  const busy = await client.vms.migrationPrediction(id);
  expect(busy.dirtyRateMiBps).toBeGreaterThan(1);
  expect(busy.bandwidthMiBps).toBeGreaterThan(0);
  expect((await small.vm('busy')).migrationPrediction).toEqual(busy);
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
  expect(narrow.totalMs).toBeGreaterThan(busy.totalMs ?? 0);
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
