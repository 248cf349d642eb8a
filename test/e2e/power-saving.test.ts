/** Real agents and VMs; a simulated BMC switches one host's agent off and on. */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SLOT_MS } from '#planner';
import { CIPHER_SUITE, hasIpmiSim, IpmiSim } from '../power/ipmi-sim.js';
import { type SmallDatacenter, eventually, startSmallDatacenter } from './small-datacenter.js';

const DAY_MS = 86_400_000;

let small: SmallDatacenter;
let bmc: IpmiSim;
let machine: NodeJS.Timeout;

describe.skipIf(!hasIpmiSim)('a cluster that saves power', () => {
  beforeAll(async () => {
    small = await startSmallDatacenter({ hosts: 2 });
    bmc = await IpmiSim.start('drover', 'secret');
    machine = runWhileOn('host-2');
  });
  afterAll(async () => {
    clearInterval(machine);
    await small?.stop();
    await bmc?.stop();
  });

  async function rememberRises(clusterId: string, daysAgo: readonly number[]): Promise<void> {
    const db = new Client({ connectionString: small.datacenter.postgres!.url });
    await db.connect();
    const present = Math.floor(Date.now() / SLOT_MS) * SLOT_MS;
    for (const days of daysAgo)
      for (let ahead = 0; ahead < 6; ahead++) {
        const slot = new Date(present - days * DAY_MS + ahead * SLOT_MS);
        await db.query('INSERT INTO drover.cluster_load VALUES ($1, $2, $3, 1)', [clusterId, slot, 0.2 + 3 * ahead]);
      }
    await db.end();
  }

  /** The machine behind the BMC: its agent runs as long as it has power, and dies with it. */
  function runWhileOn(name: string): NodeJS.Timeout {
    const agent = small.datacenter.agents.get(name)!;
    let isRunning = true;
    return setInterval(() => {
      if (bmc.isOn === isRunning) return;
      isRunning = bmc.isOn;
      if (isRunning) agent.start();
      else void agent.stop(0);
    }, 50);
  }

  test(
    'switches a host off when load is low, and wakes it for load that is to come, before the other is overfull',
    { timeout: 300_000 },
    async () => {
      const { client } = small.datacenter;
      const [one, two] = [await small.host('host-1'), await small.host('host-2')];
      await client.power.setManagement(two.id, {
        ...{ type: 'fence_agent', agent: 'fence_ipmilan', address: '127.0.0.1', port: bmc.port },
        ...{ username: 'drover', password: 'secret', options: { lanplus: '1', cipher: CIPHER_SUITE } },
      });
      await client.power.update(two.id, { wattsAt: [100, 200], offWatts: 4 });

      // Its wake-up is proven: off, on, and the time until its agent answers.
      await client.hosts.deactivate(two.id, { reason: 'new BMC' });
      await eventually(async () => expect((await small.host('host-2')).status).toBe('maintenance'));
      await client.power.order(two.id, 'test');
      await eventually(
        async () => expect(await client.power.get(two.id)).toMatchObject({ wakeUp: 'proven', operation: null }),
        120_000,
      );
      await client.hosts.activate(two.id);

      // Low load: the VM of host-2 joins that of host-1, and host-2 goes off.
      await small.createPager('day', 'host-1', 'region=4 rate=1');
      await small.createPager('night', 'host-2', 'region=4 rate=1');
      const parameters = {
        ...{ EnableAutomaticHostPowerManagement: true, LowUtilization: 60, HorizonMinutes: 600, PeakDeviations: 0 },
        ...{ MinimumOnMinutes: 0, MinimumOffMinutes: 0 },
        HighPressure: 100, // of the machine that all tests share
      };
      await client.clusters.update(small.cluster.id, { schedulingPolicy: { name: 'power_saving', parameters } });
      await eventually(async () => {
        const { status } = await small.host('host-2');
        const plans = await client.plans.list({ clusterId: small.cluster.id });
        const why = plans.items[0]?.refusals.map(({ reason }) => reason);
        expect([status, bmc.isOn], String(why)).toEqual(['powered_off', false]);
      }, 120_000);
      for (const name of ['day', 'night']) {
        expect((await small.vm(name)).hostId).toBe(one.id);
        await small.expectBeating(name);
      }

      // On each of the last days load has risen from this time on, by three cores every five minutes.
      await rememberRises(small.cluster.id, [1, 2, 3]);
      await eventually(async () => expect((await small.host('host-2')).status).toBe('powering_on'), 60_000);
      const { items: orders } = await client.events.list({ hostId: two.id, type: 'host.power_on' });
      expect(orders[0]!.message).toBe('host-2: power on, more load is expected than the hosts that are up can carry');
      const { cpuUsedCores, cpuCores } = await small.host('host-1');
      expect(cpuUsedCores! / cpuCores!).toBeLessThan(0.8);
      await eventually(async () => expect((await small.host('host-2')).status).toBe('up'), 120_000);
      expect((await client.power.get(two.id)).boots).toHaveLength(2);
      await eventually(async () => {
        const { days } = await client.energy({ clusterId: small.cluster.id });
        expect(days.find(({ hostName }) => hostName === 'host-2')?.usedKWh).toBeGreaterThan(0);
      }, 60_000);
    },
  );
});
