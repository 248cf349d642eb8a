/** What heartbeats cost the controller: a controller and a PostgreSQL of their own, and hosts that only send heartbeats. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Enrolled, Heartbeat, VmReport } from '#contracts';
import { Datacenter } from '../../tools/datacenter.js';
import { freePort } from '../../tools/postgres.js';
import { type Section, formatFigure, median } from './table.js';
import { waitFor } from './vm-process.js';

const HOSTS = 8;
const VMS_PER_HOST = 20;
const ROUNDS = 25;
/** Heartbeats that are on their way at once, as in a datacenter with many hosts. */
const AT_ONCE = 4;

interface SilentHost {
  readonly heartbeatToken: string;
  readonly vms: { readonly vmId: string; readonly epoch: number }[];
}

const agentUrl = 'http://127.0.0.1:9';
const DRIVER = {
  hypervisor: 'drover',
  architecture: 'riscv64',
  accelerator: 'drover',
  version: '0.0.0',
  maxMemoryMiB: 3584,
} as const;

async function post<T>(url: string, token: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

async function enrol(datacenter: Datacenter, clusterId: string, name: string): Promise<SilentHost> {
  const { client, url } = datacenter;
  const { enrolmentToken } = await client.hosts.create({ name, clusterId });
  const size = { cpuCores: 32, memoryMiB: 256 * 1024 };
  const agent = { agentUrl, agentVersion: '0.0.0', agentToken: 'x'.repeat(40), drivers: [DRIVER], ...size };
  const { heartbeatToken, hostId } = await post<Enrolled>(`${url}/api/v1/agents/enrol`, enrolmentToken, agent);
  const host: SilentHost = { heartbeatToken, vms: [] };
  await beat(datacenter, host, 0);
  for (let vm = 1; vm <= VMS_PER_HOST; vm++) {
    const { id } = await client.vms.create({
      name: `${name}-vm-${vm}`,
      clusterId,
      hostId,
      image: 'pager',
      memoryMiB: 2048,
    });
    const { epoch } = await client.vms.get(id);
    host.vms.push({ vmId: id, epoch });
  }
  return host;
}

function heartbeat({ vms }: SilentHost, round: number): Heartbeat {
  const report = ({ vmId, epoch }: (typeof vms)[number], index: number): VmReport => ({
    ...{ vmId, epoch, status: 'up', exitCode: null, message: '', guest: null },
    cpuUsedCores: ((round * 7 + index) % 100) / 100,
    memoryUsedMiB: 3000 + ((round + index) % 50),
    dirtyRateMiBps: (round + index) % 20,
    networkUsedMiBps: index % 5,
    consoleTail: `[${round}] `.padEnd(1024, 'a line of a console '),
  });
  return {
    sentAt: new Date().toISOString(),
    ...{ agentUrl, agentVersion: '0.0.0', tunnelAddress: '127.0.0.1:7430', cpuCores: 32, memoryMiB: 256 * 1024 },
    ...{ cpuUsedCores: 8, memoryUsedMiB: 60_000, pressure: null, linkMiBps: 1192, isolation: [], drivers: [DRIVER] },
    ...{
      health: null,
      commands: [],
      migrations: [],
      checkpoints: [],
      hostDevices: [],
      probes: [],
      storage: [],
      peersDigest: null,
    },
    vms: vms.map(report),
  };
}

const beat = ({ url }: Datacenter, host: SilentHost, round: number): Promise<unknown> =>
  post(`${url}/api/v1/agents/heartbeat`, host.heartbeatToken, heartbeat(host, round));

/** ms on a CPU since it was made, of each process with all its threads; what ends meanwhile does not count (sched-stats.rst). */
function cpuClock(pids: readonly number[]): () => number {
  const threads = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`),
  );
  const read = (thread: string) => Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  const before = new Map(threads.map((thread) => [thread, read(thread)]));
  return () =>
    threads.filter((thread) => existsSync(thread)).reduce((sum, thread) => sum + read(thread) - before.get(thread)!, 0);
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** The table; `say` hears how it goes on. */
export async function benchHeartbeats(repeats: number, say: (line: string) => void): Promise<Section> {
  const dir = mkdtempSync(join(tmpdir(), 'drover-bench-'));
  chmodSync(dir, 0o755); // PostgreSQL runs as another user when this runs as root
  const datacenter = await Datacenter.start({ dir, port: await freePort(), durable: false, say });
  try {
    const { client } = datacenter;
    const { id: clusterId } = await client.clusters.create({ name: 'bench' });
    const hosts: SilentHost[] = [];
    for (let host = 1; host <= HOSTS; host++) hosts.push(await enrol(datacenter, clusterId, `host-${host}`));
    const all = async (rounds: number) => {
      const due = Array.from({ length: rounds }, (_, round) => hosts.map((host) => ({ host, round }))).flat();
      const sender = async () => {
        for (let next = due.shift(); next; next = due.shift()) await beat(datacenter, next.host, next.round);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sender));
    };
    await all(ROUNDS); // everything is compiled once
    await waitFor(
      'VMs that run',
      async () => (await client.vms.list({ status: 'starting' })).items.length === 0 || undefined,
    );
    const measured: Record<'controllerMs' | 'databaseMs' | 'eachMs', number>[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const controllerMs = cpuClock([datacenter.controller.pid!]);
      const databaseMs = cpuClock(childrenOf(datacenter.postgres!.pid()!));
      const startedAt = performance.now();
      await all(ROUNDS);
      const [tookMs, count] = [performance.now() - startedAt, HOSTS * ROUNDS];
      const figures = {
        controllerMs: controllerMs() / count,
        databaseMs: databaseMs() / count,
        eachMs: tookMs / count,
      };
      say(`heartbeats: ${JSON.stringify(figures)}`);
      measured.push(figures);
    }
    const row = (name: string, figure: keyof (typeof measured)[number]) => [
      name,
      formatFigure(median(measured.map((each) => each[figure]))),
    ];
    return {
      columns: ['A heartbeat', 'ms'],
      rows: [
        row('CPU time of the controller', 'controllerMs'),
        row('CPU time of PostgreSQL', 'databaseMs'),
        row('from one to the next, as fast as they are answered', 'eachMs'),
      ],
      notes: [
        `${VMS_PER_HOST} VMs on each of ${HOSTS} hosts, ${AT_ONCE} heartbeats at once; the median of ${repeats} times ${HOSTS * ROUNDS} heartbeats.`,
      ],
    };
  } finally {
    await datacenter.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
