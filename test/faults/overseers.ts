/** One cell of the matrix in a whole datacenter: an agent or the controller is killed in the midst of a migration. */
// oxlint-disable vitest/no-standalone-expect -- what is here is called inside of tests
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { AllowedMeans, MigrationView, VmView } from '#contracts';
import { AgentProxy } from '../agent/agent-proxy.js';
import { eventually, startSmallDatacenter, type SmallDatacenter } from '../e2e/small-datacenter.js';
import type { Cell, Means, Moment, Other, OverseerFault } from './cells.js';
import { FaultyNetwork } from './faulty-network.js';
import { MomentWatch } from './moments.js';

const HEALED_MS = 90_000;
/** Of the VM under test; it writes all of its region many times in a second. */
const GUEST = 'region=8 rate=max';
const MEMORY_MIB = 64;
const ALLOWED: Record<Means, z.input<typeof AllowedMeans>[]> = {
  plain: [],
  xbzrle: [{ means: 'xbzrle' }],
  compression: [{ means: 'compression' }],
  multifd: [{ means: 'multifd' }],
  postcopy: [{ means: 'post_copy' }],
};
/** Moments that come only when the migration is let go on to its end. */
const LATE: readonly Moment[] = ['switchover', 'commit', 'postcopy', 'recovery'];

export class Overseers {
  private network: FaultyNetwork | null = null;
  private count = 0;

  private constructor(
    private readonly small: SmallDatacenter,
    private readonly proxy: () => AgentProxy,
    setNetwork: (find: () => FaultyNetwork | null) => void,
  ) {
    setNetwork(() => this.network);
  }

  static async start(): Promise<Overseers> {
    let proxy: AgentProxy | null = null;
    let network: () => FaultyNetwork | null = () => null;
    const small = await startSmallDatacenter({
      hosts: 2,
      expectsDeaths: true,
      agentUrl: async (host, dir) => {
        if (host !== 'host-2') return undefined;
        const port = () => readFileSync(join(dir, 'port'), 'utf8').trim();
        proxy = await AgentProxy.start(
          () => `http://127.0.0.1:${port()}`,
          async (uri) => network()?.before(uri) ?? uri,
        );
        return proxy.url;
      },
    });
    return new Overseers(
      small,
      () => proxy!,
      (find) => (network = find),
    );
  }

  async stop(): Promise<void> {
    await this.small.stop();
    this.proxy().stop();
  }

  /** Resolves with how the migration ended. */
  async runCell({ fault, moment, means }: Cell<OverseerFault>): Promise<string> {
    const { small } = this;
    const { client } = small.datacenter;
    const vm = await small.createPager(`vm-${(this.count += 1)}`, 'host-1', GUEST, MEMORY_MIB);
    let hasStruck = false;
    const cut = moment === 'recovery' ? new MomentWatch('postcopy', 'main') : null;
    const watch = new MomentWatch(moment, 'main');
    const network = new FaultyNetwork((passing) => {
      if (cut?.sees(passing)) network.harm('main', 'cut');
      if (!watch.sees(passing)) return;
      hasStruck = true;
      process.kill(this.pidOf(fault.victim), 'SIGKILL');
    });
    this.network = network;
    const { id: policyId } = await this.policyOf(means);
    const [there, here] = [await small.host('host-2'), await small.host('host-1')];
    const { id } = await client.vms.migrate(vm.id, { destinationHostId: there.id, migrationPolicyId: policyId });
    const ended = await eventually(async () => {
      const migration = await client.migrations.get(id);
      // Post-copy is begun by the policy; a longer pause would make it needless.
      if (means !== 'postcopy' && (LATE.includes(moment) || hasStruck)) await this.hurry(migration);
      expect(this.copiesOf(vm), 'two copies at most, one of which waits').toBeLessThanOrEqual(2);
      expect(['completed', 'failed']).toContain(migration.status);
      return migration;
    }, HEALED_MS);
    this.network = null;
    expect(hasStruck, 'the moment came').toBe(true);
    if (ended.status === 'failed')
      expect(ended.error).toMatchObject({
        ...{ code: expect.any(String), phase: expect.any(String), side: expect.any(String) },
        message: expect.stringMatching(/.{10}/),
      });

    const home = ended.status === 'completed' ? there : here;
    await this.expectOnlyAt(vm, home.id);
    await this.expectNextMove(vm, home.id === there.id ? here.id : there.id);
    await client.vms.stop(vm.id, { mode: 'power_off' });
    await eventually(async () => expect((await small.vm(vm.name)).status).toBe('down'));
    await client.vms.remove(vm.id);
    await eventually(async () => expect(this.recordsOf(id)).toBe(0), HEALED_MS);
    return ended.error
      ? `${ended.status}: ${ended.error.code} in ${ended.error.phase} (${ended.error.side})`
      : ended.status;
  }

  /** The guest runs there, nowhere else, and has never seen a wrong page. */
  private async expectOnlyAt(vm: VmView, hostId: string): Promise<void> {
    await eventually(async () => {
      expect(await this.small.vm(vm.name)).toMatchObject({ status: 'up', hostId });
      expect(this.copiesOf(vm)).toBe(1);
    }, HEALED_MS);
    await this.small.expectBeating(vm.name, 1);
  }

  private async expectNextMove(vm: VmView, hostId: string): Promise<void> {
    const { client } = this.small.datacenter;
    const easy = await this.policyNamed('easy', { downtimeLimitMs: 5000 });
    const { id } = await eventually(() =>
      client.vms.migrate(vm.id, { destinationHostId: hostId, migrationPolicyId: easy.id }),
    );
    await eventually(
      async () => expect(await client.migrations.get(id)).toMatchObject({ status: 'completed' }),
      HEALED_MS,
    );
    await this.expectOnlyAt(vm, hostId);
  }

  /** Lets it end; who would do that may be dead at the moment. */
  private async hurry({ id, status }: MigrationView): Promise<void> {
    if (status !== 'precopy') return;
    const limits = { downtimeLimitMs: 5000, bandwidthMiBps: null };
    await this.small.datacenter.client.migrations.setParameters(id, limits).catch(() => undefined);
  }

  private policyOf(means: Means) {
    const convergence = { mode: 'ordered' as const, means: ALLOWED[means], deadlineSeconds: 300 };
    return this.policyNamed(means, { downtimeLimitMs: 1, bandwidthMiBps: 32, timeoutSeconds: 300, convergence });
  }

  private async policyNamed(name: string, values: object) {
    const { migrationPolicies } = this.small.datacenter.client;
    const known = (await migrationPolicies.list({})).items.find((policy) => policy.name === `cell-${name}`);
    return known ?? migrationPolicies.create({ name: `cell-${name}`, convergence: { means: [] }, ...values });
  }

  private pidOf(victim: Other): number {
    const { agents, controller } = this.small.datacenter;
    if (victim === 'controller') return controller.pid!;
    return agents.get(victim === 'source_agent' ? 'host-1' : 'host-2')!.pid!;
  }

  /** Processes of that VM, on both hosts. */
  private copiesOf({ id }: VmView): number {
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
        return command.includes('apps/vmm/main.js') && command.includes(id);
      } catch {
        return false; // it ended meanwhile
      }
    }).length;
  }

  /** What the agents keep of that migration. */
  private recordsOf(migrationId: string): number {
    const folders = ['host-1', 'host-2'].map((host) => join(this.small.datacenter.hostDir(host), 'migrations'));
    return folders.flatMap((folder) => readdirSync(folder)).filter((name) => name.includes(migrationId)).length;
  }
}
