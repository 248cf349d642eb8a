/** A guest of more than 3,584 MiB, which has 64-bit addresses, in a whole datacenter: it moves there and back. */
import { expect, test } from 'vitest';
import { hasLongAddresses } from '#vmm';
import { eventually, startSmallDatacenter } from '../e2e/small-datacenter.js';

const MEMORY_MIB = 5120;

if (!hasLongAddresses()) console.warn('not tested: VMs of more than 3,584 MiB, which need Node.js 24 or newer');

test.skipIf(!hasLongAddresses())('a VM of 5 GiB moves to another host and back', { timeout: 600_000 }, async () => {
  const small = await startSmallDatacenter({ memoryMiB: 2 * MEMORY_MIB });
  try {
    const { client } = small.datacenter;
    await small.createPager('large', 'host-1', 'region=64 rate=8', MEMORY_MIB);
    for (const name of ['host-2', 'host-1']) {
      const [vm, host] = [await small.vm('large'), await small.host(name)];
      const { id } = await client.vms.migrate(vm.id, { destinationHostId: host.id });
      await eventually(async () => {
        const migration = (await small.migrations()).find((candidate) => candidate.id === id);
        expect(migration).toMatchObject({ status: 'completed' });
      }, 120_000);
      await eventually(async () => expect(await small.vm('large')).toMatchObject({ status: 'up', hostId: host.id }));
      await small.expectBeating('large');
    }
  } finally {
    await small.stop();
  }
});
