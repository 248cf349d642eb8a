/** The demo datacenter of `npm start`: three hosts, six VMs, all on the first host until the policy spreads them. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DroverClient } from '#client';
import type { ClusterView, HostView, VmView } from '#contracts';
import { Datacenter, type HostSettings } from './datacenter.js';
import { demoGuests, isPagerOfDemo } from './demo-guests.js';
import { readPidFile, writePidFile } from './pid-file.js';

export const HOSTS: readonly HostSettings[] = ['host-1', 'host-2', 'host-3'].map((name) => ({
  name,
  cpuCores: 2,
  memoryMiB: 2048,
}));
const CLUSTER = 'demo';

const say = (line: string) => console.error(`drover: ${line}`);

/** What `probe` finds as soon as it finds something; throws after `timeoutMs`. */
export async function waitFor<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  for (const end = Date.now() + timeoutMs; Date.now() < end;) {
    const found = await probe();
    if (found !== undefined) return found;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`${what} did not happen within ${timeoutMs / 1000} s; see the logs below .drover/log`);
}

const upHosts = async (client: DroverClient): Promise<HostView[] | undefined> => {
  const { items } = await client.hosts.list({});
  return items.filter((host) => host.status !== 'installing').length >= HOSTS.length ? items : undefined;
};

/** Six VMs on the first host, then the policy: what the first start of the demo in `dir` makes. */
export async function populate(client: DroverClient, cluster: ClusterView, dir: string): Promise<void> {
  const hosts = await waitFor('the enrolment of the hosts', () => upHosts(client));
  const first = hosts.find((host) => host.name === HOSTS[0]!.name)!;
  const guests = demoGuests(dir);
  say(`starting ${guests.length} VMs (${guests[0]!.image}) on ${first.name} ...`);
  for (const [index, guest] of guests.entries())
    await client.vms.create({ name: nameOf(index), clusterId: cluster.id, vcpus: 1, ...guest, hostId: first.id });
  await waitFor('the start of the VMs', async () => {
    const { items } = await client.vms.list({ status: 'up' });
    return items.length >= guests.length ? items : undefined;
  });
  await client.clusters.update(cluster.id, {
    schedulingPolicy: { name: 'evenly_distributed' },
  });
}

const nameOf = (index: number) => `vm-${index + 1}`;

/** The demo's VMs become Linux guests when that has been fetched since; what people have changed stays. */
async function changeToLinux(client: DroverClient, dir: string): Promise<void> {
  for (const [index, guest] of demoGuests(dir).entries()) {
    const vm = (await client.vms.list({ name: nameOf(index) })).items[0];
    if (guest.image !== 'linux' || vm?.status !== 'down' || !isPagerOfDemo(vm, index)) continue;
    await client.vms.remove(vm.id);
    await client.vms.create({ name: nameOf(index), clusterId: vm.clusterId, vcpus: 1, ...guest, start: false });
  }
}

/** Starts again the VMs that ran when the demo was stopped. */
async function resume(client: DroverClient, dir: string, file: string): Promise<void> {
  await waitFor('the return of the hosts', () => upHosts(client));
  await changeToLinux(client, dir);
  if (!existsSync(file)) return;
  const names = JSON.parse(readFileSync(file, 'utf8')) as string[];
  for (const name of names) {
    const vm = (await client.vms.list({ name })).items[0];
    if (vm?.status === 'down') await client.vms.start(vm.id, { hostId: vm.hostId });
  }
  rmSync(file);
}

const isRunning = (vm: VmView) => !['down', 'stopping'].includes(vm.status);

/** Throws if DROVER_PORT is not a port. */
function portOf(text: string | undefined): number {
  const port = Number(text ?? 7410);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Error(`DROVER_PORT=${text} is not a port; use a number from 1 to 65535.`);
}

/** On Ctrl-C or SIGTERM: notes which VMs run, and stops everything in order. A second one ends it at once. */
function stopOnSignal(datacenter: Datacenter, runningFile: string): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) process.exit(130);
    stopping = true;
    say('stopping (Ctrl-C again ends it at once) ...');
    const { items } = await datacenter.client.vms.list({}).catch(() => ({ items: [] as VmView[] }));
    writeFileSync(runningFile, JSON.stringify(items.filter(isRunning).map((vm) => vm.name)));
    await datacenter.stop();
    say('stopped');
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      stop().catch(endWith);
    });
}

function endWith(error: unknown): never {
  say((error as Error).message);
  process.exit(1);
}

/** Runs until Ctrl-C or SIGTERM. */
export async function runDemo(): Promise<void> {
  const dir = join(process.cwd(), '.drover');
  const runningFile = join(dir, 'running-vms.json');
  const launcherFile = join(dir, 'launcher.pid');
  let datacenter: Datacenter | undefined;
  try {
    const port = portOf(process.env.DROVER_PORT);
    const launcher = readPidFile(launcherFile);
    if (launcher) throw new Error(`The demo runs in this folder already, as process ${launcher}; end it first.`);
    mkdirSync(dir, { recursive: true, mode: 0o711 }); // PostgreSQL passes through as another user when root runs this
    writePidFile(launcherFile, process.pid);
    say('starting PostgreSQL and the controller ...');
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = process.env;
    datacenter = await Datacenter.start({ dir, port, databaseUrl, redisUrl, say });
    stopOnSignal(datacenter, runningFile);

    const { client, url, token } = datacenter;
    const known = (await client.clusters.list({})).items.find((cluster) => cluster.name === CLUSTER);
    const cluster = known ?? (await client.clusters.create({ name: CLUSTER, description: 'The demo datacenter' }));
    for (const host of HOSTS) await datacenter.startHost(host, cluster.id);
    writeFileSync(join(dir, 'url'), url);
    console.log(`Drover runs at ${url}/#token=${token}  (admin token ${token}, also in .drover/admin-token)`);
    const { items } = await client.vms.list({});
    if (items.length === 0) await populate(client, cluster, dir);
    else await resume(client, dir, runningFile);
    if (demoGuests(dir)[0]!.image !== 'linux') say('for Linux guests: drover guest fetch, then start this again');
  } catch (error) {
    await datacenter?.stop();
    endWith(error);
  }
}
