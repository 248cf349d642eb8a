/** An agent that runs no VMs but says so: it enrols, sends heartbeats, takes orders from its queue, and obeys them. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type {
  CheckpointReport,
  CommandReport,
  Enrolled,
  Heartbeat,
  HealthCheck,
  HostDriver,
  HeartbeatAnswer,
  HostJob,
  MigrationReport,
  VmReport,
} from '#contracts';
import { type HostWorker, openHostWorker } from '#queue';

const BEAT_MS = 150;
const NO_PROGRESS = {
  progress: null,
  iterations: [],
  downtimeMs: null,
  totalMs: null,
  downtimeBreakdown: null,
  decisions: [],
  facts: null,
  log: [],
};

type MigrateJob = Extract<HostJob, { kind: 'migrate' }>;

export class FakeAgent {
  readonly token = 'agent-token-'.padEnd(40, Math.random().toString(36).slice(2));
  readonly copies = new Map<string, VmReport>();
  readonly migrations = new Map<string, { job: MigrateJob; report: MigrationReport }>();
  /** What this agent was ordered to do, in order. */
  readonly jobs: HostJob[] = [];
  readonly destroyed: string[] = [];
  /** Maintenance commands, and how they end. */
  readonly commands = new Map<string, CommandReport>();
  /** Each is begun once, however often it is ordered. */
  readonly commandsBegun = new Map<string, Extract<HostJob, { kind: 'command' }>>();
  endsCommandsAs: CommandReport['status'] = 'succeeded';
  /** What it finds when it looks at its host's health. */
  checks: HealthCheck[] = [];
  private healthIsDue = true;
  /** Other hosts' switches, as the last heartbeat was answered. */
  tunnels: NonNullable<HeartbeatAnswer['peers']> = [];
  private peersDigest: string | null = null;
  /** Bodies of direct orders, by path. */
  readonly direct = new Map<string, unknown>();
  /** While true, migrations stay in pre-copy. */
  holdMigrations = false;
  /** While set, migrations fail in pre-copy with this message. */
  failMigrations = '';
  /** While true, VMs are down again as soon as they have started. */
  endsVmsAtOnce = false;
  /** While true, orders have no effect. */
  isDeaf = false;
  cpuOf: (vmId: string) => number = () => 0.1;
  hostId = '';
  enrolled!: Enrolled;

  private readonly http: Server;
  private worker: HostWorker | undefined;
  private timer: NodeJS.Timeout | undefined;
  private beating = false;
  private port = 0;

  failCode = 'stream_broken';
  /** Devices that guests may have, as it says. */
  hostDevices: string[] = [];
  /** Folders of which it is to say what is free, as it was told last. */
  storagePaths: string[] = [];
  /** What is free for disks, as it says. */
  storage: Heartbeat['storage'] = [];
  /** Memory of VMs that left, as it says. */
  checkpoints: CheckpointReport[] = [];
  /** What it may keep of it, as it was told last. */
  checkpointLimitMiB: number | null = null;
  linkMiBps: number | null = null;
  /** What each of its VMs sends. */
  networkMiBps: number | null = 0;
  /** As it was told last. */
  bandwidths: HeartbeatAnswer['bandwidths'] = [];

  /** What it tells that VMs can run on here. */
  readonly drivers: HostDriver[] = [
    { hypervisor: 'drover', architecture: 'riscv64', accelerator: 'drover', version: '0.0.0' },
  ];

  private constructor(
    private base: string,
    private readonly peers: readonly FakeAgent[],
    /** As it says. */
    readonly size: { cpuCores: number; memoryMiB: number },
  ) {
    this.http = createServer((request, response) => {
      this.answer(request)
        .then(({ status, body }) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        )
        .catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(
    base: string,
    enrolmentToken: string,
    peers: FakeAgent[],
    size = { cpuCores: 4, memoryMiB: 4096 },
  ): Promise<FakeAgent> {
    const agent = new FakeAgent(base, peers, size);
    peers.push(agent);
    agent.http.listen(0, '127.0.0.1');
    await once(agent.http, 'listening');
    agent.port = (agent.http.address() as AddressInfo).port;
    await agent.enrol(enrolmentToken);
    agent.begin();
    return agent;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async enrol(enrolmentToken: string): Promise<void> {
    const { url: agentUrl, token: agentToken, drivers } = this;
    const body = { agentUrl, agentVersion: '0.0.0', agentToken, drivers, ...this.size };
    const response = await this.post('/agents/enrol', enrolmentToken, body);
    if (response.status !== 201) throw new Error(`enrolment: ${response.status} ${await response.text()}`);
    this.enrolled = (await response.json()) as Enrolled;
    this.hostId = this.enrolled.hostId;
    await this.listen();
  }

  /** Takes orders, from a queue that may have gathered some. */
  async listen(): Promise<void> {
    await this.worker?.close();
    this.worker = await openHostWorker(this.enrolled.queue, (job) => this.obey(job), {
      concurrency: 4,
      onError: () => undefined, // queues come and go in these tests
    });
  }

  /** As if the network were cut: no heartbeats. */
  fallSilent(): void {
    clearInterval(this.timer);
  }

  begin(base = this.base): void {
    this.base = base;
    clearInterval(this.timer);
    this.timer = setInterval(() => void this.beat(), BEAT_MS);
  }

  async stopListening(): Promise<void> {
    await this.worker?.close();
    this.worker = undefined;
  }

  async stop(): Promise<void> {
    this.fallSilent();
    await this.stopListening();
    this.http.close();
  }

  report(vmId: string, epoch: number, status: VmReport['status'], more: Partial<VmReport> = {}): void {
    this.copies.set(vmId, {
      vmId,
      epoch,
      status,
      exitCode: null,
      message: '',
      cpuUsedCores: this.cpuOf(vmId),
      memoryUsedMiB: 50,
      dirtyRateMiBps: 1,
      networkUsedMiBps: this.networkMiBps,
      guest: { hostName: `guest of epoch ${epoch}`, ipAddresses: ['10.0.0.7'] },
      consoleTail: `beat\0 \ud800 ${epoch}`,
      ...more,
    });
  }

  heartbeat(): Heartbeat {
    const vms = [...this.copies.values()].map((copy) => ({
      ...copy,
      cpuUsedCores: this.cpuOf(copy.vmId),
      networkUsedMiBps: this.networkMiBps,
    }));
    return {
      sentAt: new Date().toISOString(),
      agentUrl: this.url,
      agentVersion: '0.0.0',
      tunnelAddress: '127.0.0.1:7430',
      ...this.size,
      cpuUsedCores: vms.reduce((sum, vm) => sum + vm.cpuUsedCores, 0),
      memoryUsedMiB: 0,
      pressure: null,
      linkMiBps: this.linkMiBps,
      isolation: [{ measure: 'own_user', inForce: false, reason: 'the agent does not run as root' }],
      drivers: this.drivers,
      health: this.healthIsDue ? { at: new Date().toISOString(), checks: this.checks } : null,
      commands: [...this.commands.values()],
      vms,
      migrations: [...this.migrations.values()].map(({ report }) => report),
      checkpoints: this.checkpoints,
      hostDevices: this.hostDevices,
      probes: [],
      peersDigest: this.peersDigest,
      storage: this.storage,
    };
  }

  /** Its health is told with the next heartbeat. */
  look(checks: HealthCheck[]): void {
    this.checks = checks;
    this.healthIsDue = true;
  }

  private async beat(): Promise<void> {
    if (this.beating) return;
    this.beating = true;
    try {
      for (const migration of this.migrations.values()) this.advance(migration);
      const told = this.heartbeat();
      if (told.health) this.healthIsDue = false; // what is found from here on is told next
      const response = await this.post('/agents/heartbeat', this.enrolled.heartbeatToken, told);
      if (!response.ok) {
        this.healthIsDue ||= told.health !== null;
        return;
      }
      const answer = (await response.json()) as HeartbeatAnswer;
      const { forgetVms, forgetMigrations, destroyVms, peers, forgetCheckpoints } = answer;
      this.checkpointLimitMiB = answer.checkpointLimitMiB;
      this.bandwidths = answer.bandwidths;
      this.storagePaths = answer.storagePaths ?? this.storagePaths;
      this.checkpoints = this.checkpoints.filter(({ vmId }) => !forgetCheckpoints.includes(vmId));
      this.tunnels = peers ?? this.tunnels;
      this.peersDigest = answer.peersDigest;
      this.healthIsDue ||= answer.wantsHealth;
      for (const id of answer.forgetCommands) this.commands.delete(id);
      for (const id of forgetMigrations) this.migrations.delete(id);
      for (const { vmId, epoch } of [...forgetVms, ...destroyVms])
        if (this.copies.get(vmId)?.epoch === epoch) this.copies.delete(vmId);
      this.destroyed.push(...destroyVms.map(({ vmId, epoch }) => `${vmId}@${epoch}`));
    } catch {
      // The controller is away; the next beat tries again.
    } finally {
      this.beating = false;
    }
  }

  private async obey(job: HostJob): Promise<void> {
    this.jobs.push(job);
    if (this.isDeaf) return;
    if (job.kind === 'command') {
      const { runId } = job;
      if (this.commandsBegun.has(runId)) return;
      this.commandsBegun.set(runId, job);
      this.commands.set(runId, { runId, status: this.endsCommandsAs, exitCode: 0, output: 'done' });
      return;
    }
    const copy = this.copies.get(job.vmId);
    if (job.kind === 'start') {
      if ((copy?.epoch ?? -1) >= job.epoch) return;
      this.report(job.vmId, job.epoch, this.endsVmsAtOnce ? 'down' : 'up');
      if (this.endsVmsAtOnce) await this.beat();
    } else if (job.kind === 'migrate') {
      if (this.migrations.has(job.migrationId)) return;
      const { migrationId, vmId } = job;
      this.migrations.set(migrationId, {
        job,
        report: { migrationId, vmId, status: 'preparing', error: null, ...NO_PROGRESS },
      });
    } else if (job.kind !== 'remove_disks' && copy?.epoch === job.epoch) {
      const status = { stop: 'down', pause: 'paused', resume: 'up' } as const;
      this.report(job.vmId, job.epoch, status[job.kind], { exitCode: job.kind === 'stop' ? 0 : null });
    }
  }

  /** One step of a migration for each heartbeat. */
  private advance(migration: { job: MigrateJob; report: MigrationReport }): void {
    const { job, report } = migration;
    const peer = this.peers.find(({ url }) => url === job.destination.agentUrl)!;
    if (report.status === 'preparing') {
      const ticket = createHmac('sha256', peer.token)
        .update(`${job.migrationId}:${job.vmId}:${job.epoch}`)
        .digest('base64url');
      if (ticket !== job.destination.ticket) throw new Error('wrong ticket');
      peer.report(job.vmId, job.epoch, 'incoming');
      this.report(job.vmId, job.sourceEpoch, 'migrating');
      report.status = 'precopy';
      report.progress = {
        totalBytes: 100,
        transferredBytes: 40,
        remainingBytes: 60,
        bandwidthMiBps: 100,
        dirtyRateMiBps: 1,
        iteration: 1,
        expectedDowntimeMs: 5,
      };
      report.iterations = [
        {
          iteration: 1,
          pages: 10,
          zeroPages: 2,
          bytes: 40960,
          durationMs: 10,
          bandwidthMiBps: 4,
          dirtyRateMiBps: 1,
          remainingBytes: 60,
          expectedDowntimeMs: 5,
        },
      ];
    } else if (report.status === 'precopy' && this.failMigrations) {
      this.report(job.vmId, job.sourceEpoch, 'up');
      report.status = 'failed';
      report.error = { code: this.failCode, phase: 'perform', side: 'destination', message: this.failMigrations };
    } else if (report.status === 'precopy' && !this.holdMigrations) {
      report.status = 'switchover';
    } else if (report.status === 'switchover') {
      peer.report(job.vmId, job.epoch, 'up');
      this.report(job.vmId, job.sourceEpoch, 'down');
      report.status = 'completed';
      report.downtimeMs = 12;
      report.totalMs = 345;
      report.downtimeBreakdown = {
        stopMs: 1,
        finalSyncMs: 2,
        finalPagesMs: 3,
        deviceStateMs: 2,
        loadMs: 3,
        resumeMs: 1,
      };
    }
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return { status: 401, body: { detail: 'wrong token' } };
    const { pathname, searchParams } = new URL(request.url!, this.url);
    const body = await text(request);
    const [, , resource, id = '', action] = pathname.split('/');
    this.direct.set(`${request.method} ${pathname}`, body ? JSON.parse(body) : null);
    if (resource === 'vms') {
      const copy = this.copies.get(id);
      if (!copy) return { status: 404, body: { detail: 'no such VM here' } };
      if (request.method === 'POST') return { status: 200, body: {} };
      const offset = Number(searchParams.get('offset'));
      return { status: 200, body: { offset, next: offset + 5, text: 'hello' } };
    }
    const migration = this.migrations.get(id);
    if (!migration) return { status: 404, body: { detail: 'no such migration here' } };
    if (action === 'cancel') {
      migration.report.status = 'cancelled';
      this.report(migration.job.vmId, migration.job.sourceEpoch, 'up');
    }
    return { status: 202, body: {} };
  }

  private post(path: string, token: string, body: unknown): Promise<Response> {
    return fetch(`${this.base}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
}
