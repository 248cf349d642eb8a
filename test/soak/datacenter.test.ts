/**
 * A datacenter that is not left in peace for DROVER_SOAK_MINUTES (10): policies change, hosts go into maintenance and come
 * back, VMs are moved by hand, agents and the controller are killed. Afterwards every guest still counts, none has ever
 * seen a wrong page, and each VM runs in exactly one process. DROVER_SOAK_SEED repeats the order of what happens.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ApiError, ConnectionError } from '#client';
import { type SmallDatacenter, eventually, lastBeat, startSmallDatacenter } from '../e2e/small-datacenter.js';
import { Random } from '../random.js';
import { announcedSeed, setting } from './settings.js';

const MINUTES = setting('DROVER_SOAK_MINUTES', 10);
const HOSTS = 3;
const VMS = ['a', 'b', 'c', 'd', 'e'];
/** For everything to be up and quiet again. */
const HEAL_MS = 120_000;

/** What is done to the datacenter; each says what it did. A refusal (409) or a controller that is away is no error. */
const deeds = {
  policy: async ({ datacenter, cluster }: SmallDatacenter, random: Random) => {
    const name = random.pick(['none', 'evenly_distributed'] as const);
    const parameters = { ImbalanceThreshold: random.pick([1, 5, 20]), MinimumGain: random.pick([0, 1, 5]) };
    const schedulingPolicy = name === 'none' ? { name } : { name, parameters };
    await datacenter.client.clusters.update(cluster.id, { schedulingPolicy });
    return `policy ${JSON.stringify(schedulingPolicy)}`;
  },
  maintenance: async (small: SmallDatacenter, random: Random) => {
    const host = random.pick(await small.hosts());
    const { hosts } = small.datacenter.client;
    if (host.status === 'up') await hosts.deactivate(host.id, { reason: 'soak test' });
    else await hosts.activate(host.id);
    return `${host.name} ${host.status === 'up' ? 'into' : 'out of'} maintenance`;
  },
  move: async (small: SmallDatacenter, random: Random) => {
    const [vm, host] = [random.pick(await small.vms()), random.pick(await small.hosts())];
    await small.datacenter.client.vms.migrate(vm.id, { destinationHostId: host.id });
    return `${vm.name} to ${host.name}`;
  },
  cancel: async ({ datacenter }: SmallDatacenter) => {
    const [migration] = (await datacenter.client.migrations.list({ active: true })).items;
    if (!migration) return 'nothing to cancel';
    await datacenter.client.migrations.cancel(migration.id);
    return `migration of ${migration.vmName} cancelled`;
  },
  killAgent: async ({ datacenter }: SmallDatacenter, random: Random) => {
    const [name, agent] = random.pick([...datacenter.agents]);
    if (agent.pid === undefined) return `agent of ${name} is dead already`;
    process.kill(agent.pid, 'SIGKILL');
    return `agent of ${name} killed`;
  },
  killController: async ({ datacenter }: SmallDatacenter) => {
    if (datacenter.controller.pid === undefined) return 'controller is dead already';
    process.kill(datacenter.controller.pid, 'SIGKILL');
    return 'controller killed';
  },
};

/** Deeds with how often each is done. */
const MIX = [
  ...Array.from({ length: 3 }, () => deeds.policy),
  ...Array.from({ length: 5 }, () => deeds.maintenance),
  ...Array.from({ length: 6 }, () => deeds.move),
  ...Array.from({ length: 2 }, () => deeds.cancel),
  ...Array.from({ length: 2 }, () => deeds.killAgent),
  deeds.killController,
];

/** A deed that comes at a bad moment: refused, or nobody answers. Anything else is an error of ours. */
const isUntimely = (error: unknown): error is Error =>
  error instanceof ConnectionError || (error instanceof ApiError && [409, 503].includes(error.status));

/** Command lines of the VMMs of one VM, on whatever host. */
function vmmsOf(small: SmallDatacenter, vmId: string): string[] {
  const dirs = [...small.datacenter.agents.keys()].map((host) => small.datacenter.hostDir(host));
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const isOne = command.includes('apps/vmm/main.js') && command.includes(vmId);
      return isOne && dirs.some((dir) => command.includes(dir)) ? [command] : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

/** No guest may ever have seen a wrong page; nothing can be asked while the controller starts again. */
async function expectNoGuestError(small: SmallDatacenter): Promise<void> {
  const vms = await small.vms().catch((error: unknown) => {
    if (!isUntimely(error)) throw error;
    return [];
  });
  for (const { consoleTail } of vms) lastBeat(consoleTail);
}

test(`a datacenter for ${MINUTES} min`, { timeout: (MINUTES + 10) * 60_000 }, async () => {
  const random = new Random(announcedSeed('datacenter'));
  const small = await startSmallDatacenter({ hosts: HOSTS, expectsDeaths: true });
  try {
    for (const name of VMS) await small.createPager(name, `host-${1 + random.below(HOSTS)}`, 'region=24 rate=4', 64);
    for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; await sleep(random.below(6000))) {
      const deed = random.pick(MIX);
      try {
        console.log(`datacenter: ${await deed(small, random)}`);
      } catch (error) {
        if (!isUntimely(error)) throw error;
        console.log(`datacenter: not done: ${error.message}`);
      }
      await expectNoGuestError(small);
    }
    await expectHealed(small);
  } finally {
    await small.stop();
  }
});

/** All hosts come up, every VM counts on, in one process each. */
async function expectHealed(small: SmallDatacenter): Promise<void> {
  const { client } = small.datacenter;
  await eventually(async () => {
    for (const host of await small.hosts()) {
      if (host.status === 'maintenance') await client.hosts.activate(host.id);
      expect(host.status, host.name).toBe('up');
    }
    expect((await client.migrations.list({ active: true })).items).toEqual([]);
  }, HEAL_MS);
  await client.clusters.update(small.cluster.id, { schedulingPolicy: { name: 'none' } });
  await eventually(async () => {
    expect((await client.migrations.list({ active: true })).items).toEqual([]);
    for (const vm of await small.vms()) expect(vm.status, `${vm.name}: ${vm.statusReason}`).toBe('up');
  }, HEAL_MS);
  for (const name of VMS) await small.expectBeating(name);
  for (const vm of await small.vms()) expect(vmmsOf(small, vm.id), vm.name).toHaveLength(1);
  const ends = (await small.migrations()).map(({ status }) => status);
  const counts = [...new Set(ends)].map((status) => `${ends.filter((end) => end === status).length} ${status}`);
  console.log(`datacenter: of the last ${ends.length} migrations ${counts.join(', ')}`);
}
