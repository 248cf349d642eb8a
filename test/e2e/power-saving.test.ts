/** Power by policies and by fencing. Real agents and VMs; a simulated BMC switches one host's agent off and on. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
    await small.datacenter.client.power.setManagement((await small.host('host-2')).id, {
      ...{ type: 'fence_agent', agent: 'fence_ipmilan', address: '127.0.0.1', port: bmc.port },
      ...{ username: 'drover', password: 'secret', options: { lanplus: '1', cipher: CIPHER_SUITE } },
    });
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

  /** Of VMs' processes, as the host's agent has noted them. */
  function vmPids(host: string): number[] {
    const dir = join(small.datacenter.hostDir(host), 'vms');
    const records = readdirSync(dir).filter((name) => name.endsWith('.json'));
    return records.flatMap((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')).process?.pid ?? []);
  }
  /** One that was killed may have nobody who asks for its end. */
  function isAlive(pid: number): boolean {
    const stat = `/proc/${pid}/stat`;
    return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  }

  /** The machine behind the BMC: its agent and VMs run as long as it has power, and die with it. */
  function runWhileOn(name: string): NodeJS.Timeout {
    const agent = small.datacenter.agents.get(name)!;
    let isRunning = true;
    return setInterval(() => {
      if (bmc.isOn === isRunning) return;
      isRunning = bmc.isOn;
      if (isRunning) agent.start();
      else {
        void agent.stop(0);
        for (const pid of vmPids(name).filter(isAlive)) process.kill(pid, 'SIGKILL');
      }
    }, 50);
  }

  test(
    'cycles a host for maintenance, switches it off when load is low, and wakes it for load that is to come, before the other is overfull',
    { timeout: 300_000 },
    async () => {
      const { client } = small.datacenter;
      const [one, two] = [await small.host('host-1'), await small.host('host-2')];
      await client.power.update(two.id, { wattsAt: [100, 200], offWatts: 4 });

      // Maintenance switches it off and on, which proves its wake-up too: off, on, and the time until its agent answers.
      const day = await small.createPager('day', 'host-1', 'region=4 rate=1');
      await client.vms.update(day.id, { placement: 'pinned' }); // or host-1 could be the one that is emptied
      await small.createPager('night', 'host-2', 'region=4 rate=1');
      const states: boolean[] = [];
      const watch = setInterval(() => states.at(-1) !== bmc.isOn && states.push(bmc.isOn), 20);
      const { runs } = await client.maintenance.begin({
        ...{ clusterId: small.cluster.id, hostIds: [two.id], reason: 'new BMC', action: { kind: 'power_cycle' } },
      });
      await eventually(async () => {
        const { phase, phaseReason } = await client.maintenance.run(runs[0]!.id);
        expect([phase, phaseReason]).toEqual(['done', '1 VM has come back']);
      }, 120_000).finally(() => clearInterval(watch));
      expect(states).toEqual([true, false, true]);
      expect(await client.power.get(two.id)).toMatchObject({ wakeUp: 'proven', operation: null });
      expect((await small.vm('night')).hostId).toBe(two.id);
      await small.expectBeating('night');

      // Low load: the VM of host-2 joins that of host-1, and host-2 goes off.
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
      await eventually(async () => expect((await small.host('host-2')).status).toBe('powering_on'), 90_000);
      const { items: orders } = await client.events.list({ hostId: two.id, type: 'host.power_on' });
      expect(orders[0]!.message).toBe('host-2: power on, more load is expected than the hosts that are up can carry');
      const { cpuUsedCores, cpuCores } = await small.host('host-1');
      expect(cpuUsedCores! / cpuCores!).toBeLessThan(0.8);
      await eventually(async () => expect((await small.host('host-2')).status).toBe('up'), 120_000);
      expect((await client.power.get(two.id)).boots).toHaveLength(2);
      await eventually(async () => {
        const { days } = await client.energy({ clusterId: small.cluster.id });
        expect(days.find(({ hostName }) => hostName === 'host-2')?.usedKWh).toBeGreaterThan(0);
      }, 90_000);
    },
  );

  test(
    'a host that is lost is fenced by its BMC, and what was to be highly available runs on elsewhere, once',
    { timeout: 300_000 },
    async () => {
      const { client, agents } = small.datacenter;
      const two = await small.host('host-2');
      await client.clusters.update(small.cluster.id, {
        schedulingPolicy: { name: 'none' },
        fencing: { enabled: true, graceSeconds: 2, restart: false },
      });
      const { id } = await small.createPager('vital', 'host-2', 'region=4 rate=1');
      await client.vms.update(id, { highAvailability: true });
      await agents.get('host-2')!.stop(0); // its VM runs on, and nobody sees it
      await eventually(async () => expect((await small.vm('vital')).status).toBe('unknown'), 90_000);
      expect(vmPids('host-2').filter(isAlive)).toHaveLength(1);
      await eventually(async () => {
        const { status, hostId } = await small.vm('vital');
        expect([status, hostId]).toEqual(['up', (await small.host('host-1')).id]);
      }, 120_000);
      expect([bmc.isOn, vmPids('host-2').filter(isAlive)]).toEqual([false, []]);
      expect(await small.host('host-2')).toMatchObject({ status: 'powered_off' });
      await small.expectBeating('vital');
      const { items } = await client.events.list({ hostId: two.id, type: 'host.power_off' });
      expect(items[0]!.message).toMatch(/^host-2: power off, fenced: host-2 has been silent for \d+ s/);
    },
  );
});
