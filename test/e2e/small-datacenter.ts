/** A datacenter of real processes for end-to-end tests, in a folder of its own, gone afterwards. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { ClusterView, HostView, MigrationView, VmView } from '#contracts';
import { Datacenter } from '../../tools/datacenter.js';
import { freePort } from '../../tools/postgres.js';

export interface SmallDatacenter {
  readonly datacenter: Datacenter;
  readonly cluster: ClusterView;
  hosts(): Promise<HostView[]>;
  host(name: string): Promise<HostView>;
  vm(name: string): Promise<VmView>;
  vms(): Promise<VmView[]>;
  migrations(): Promise<MigrationView[]>;
  /** Starts a pager and waits until it is up and its console counts. */
  createPager(name: string, host: string, append?: string, ramMiB?: number): Promise<VmView>;
  /** Waits until the guest's heartbeat has gone on by `beats`, and checks that it never saw a wrong page. */
  expectBeating(name: string, beats?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Sequence number of the last heartbeat on a pager's console; -1 before the first. */
export function lastBeat(consoleTail: string): number {
  const beats = [...consoleTail.matchAll(/^pager seq=(\d+) time_ms=\d+ written_mib=\d+ checked_pages=\d+\r?$/gm)];
  expect(consoleTail).not.toMatch(/PAGER ERROR|GUEST ERROR/);
  return Number(beats.at(-1)?.[1] ?? -1);
}

export const eventually = <T>(probe: () => Promise<T>, timeoutMs = 90_000): Promise<T> =>
  vi.waitFor(probe, { timeout: timeoutMs, interval: 200 });

interface Options {
  /** The test kills processes itself; otherwise one that dies and is started again fails it. */
  readonly expectsDeaths?: boolean;
  readonly hosts?: number;
  /** Of each host. */
  readonly memoryMiB?: number;
  readonly redisUrl?: string;
  readonly policySeconds?: number;
  /** Settings of the agents. */
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** What is called instead of a host's agent, by host; gets the folders of the hosts. */
  readonly agentUrl?: (host: string, hostDir: string) => Promise<string | undefined>;
}

export async function startSmallDatacenter({
  hosts = 2,
  memoryMiB = 1024,
  redisUrl,
  policySeconds = 2,
  expectsDeaths = false,
  agentEnv,
  agentUrl = async () => undefined,
}: Options = {}): Promise<SmallDatacenter> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-dc-'));
  chmodSync(dir, 0o755); // PostgreSQL runs as another user when the tests run as root
  const said: string[] = [];
  const datacenter = await Datacenter.start({
    dir,
    port: await freePort(),
    redisUrl,
    durable: false,
    controllerEnv: { DROVER_POLICY_INTERVAL_SECONDS: String(policySeconds), DROVER_LOOP_SECONDS: '0.5' },
    agentEnv: { DROVER_HEARTBEAT_SECONDS: '0.5', ...agentEnv },
    say: (line) => said.push(line),
  });
  const { client } = datacenter;
  const cluster = await client.clusters.create({ name: 'test', cooldownSeconds: 5 });
  for (let index = 1; index <= hosts; index++) {
    const name = `host-${index}`;
    const url = await agentUrl(name, datacenter.hostDir(name));
    const settings = { name, cpuCores: 2, memoryMiB, ...(url !== undefined && { agentUrl: url }) };
    await datacenter.startHost(settings, cluster.id);
  }

  const only = async <T>(what: string, page: Promise<{ items: T[] }>): Promise<T> => {
    const item = (await page).items[0];
    if (!item) throw new Error(`there is no ${what}`);
    return item;
  };
  const small: SmallDatacenter = {
    datacenter,
    cluster,
    hosts: async () => (await client.hosts.list({})).items,
    host: (name) => only(`host ${name}`, client.hosts.list({ name })),
    vm: (name) => only(`VM ${name}`, client.vms.list({ name })),
    vms: async () => (await client.vms.list({})).items,
    migrations: async () => (await client.migrations.list({})).items,
    createPager: async (name, host, append = 'region=16 rate=2', ramMiB = 128) => {
      const { id } = await small.host(host);
      const guest = { image: 'pager', append: `${append} beat=100`, memoryMiB: ramMiB };
      await client.vms.create({ name, clusterId: cluster.id, hostId: id, ...guest });
      await small.expectBeating(name, 0);
      return small.vm(name);
    },
    expectBeating: async (name, beats = 2) => {
      const from = lastBeat((await eventually(() => small.vm(name))).consoleTail);
      await eventually(async () => {
        const vm = await small.vm(name);
        expect(vm.status).toBe('up');
        expect(lastBeat(vm.consoleTail)).toBeGreaterThanOrEqual(Math.max(0, from) + beats);
      });
    },
    stop: async () => {
      await datacenter.stop();
      rmSync(dir, { recursive: true, force: true });
      if (!expectsDeaths) expect(said).toEqual([]);
    },
  };
  await eventually(async () => {
    for (const host of await small.hosts()) expect(host.status).toBe('up');
  });
  return small;
}
