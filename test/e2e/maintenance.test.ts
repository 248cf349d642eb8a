import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SmallDatacenter, eventually, startSmallDatacenter } from './small-datacenter.js';

let small: SmallDatacenter;

beforeAll(async () => {
  small = await startSmallDatacenter({ hosts: 2 });
});
afterAll(() => small?.stop());

test('a host that is set to maintenance is emptied by live migration, stays empty, and comes back', async () => {
  const { client } = small.datacenter;
  for (const name of ['a', 'b', 'c']) await small.createPager(name, 'host-1');
  const host = await small.host('host-1');

  const preparing = await client.hosts.deactivate(host.id, { reason: 'new memory' });
  expect(preparing.status).toBe('preparing_for_maintenance');
  await eventually(async () => expect((await small.host('host-1')).status).toBe('maintenance'), 60_000);

  const other = await small.host('host-2');
  for (const name of ['a', 'b', 'c']) {
    expect((await small.vm(name)).hostId).toBe(other.id);
    await small.expectBeating(name);
  }
  for (const move of await small.migrations())
    expect(move).toMatchObject({ trigger: 'maintenance', status: 'completed' });

  const forced = client.vms.create({ name: 'd', clusterId: small.cluster.id, image: 'pager', hostId: host.id });
  await expect(forced).rejects.toMatchObject({ status: 409, message: expect.stringMatching(/host-1.*maintenance/) });
  const move = client.vms.migrate((await small.vm('a')).id, { destinationHostId: host.id });
  await expect(move).rejects.toMatchObject({ status: 409 });

  expect((await client.hosts.activate(host.id)).status).toBe('up');
});
