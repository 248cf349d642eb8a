/** A real agent process for tests, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { Convergence, type HostJob } from '#contracts';
import { QmpClient } from '#qmp';
import { ticketFor } from '../../apps/agent/migration/ticket.js';
import type { FakeController, FakeHost } from './fake-controller.js';

const root = join(import.meta.dirname, '..', '..');

export class AgentProcess {
  private child: ChildProcess | null = null;

  constructor(
    readonly host: FakeHost,
    readonly dir: string,
    private readonly controller: FakeController,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'enrolment-token'), host.enrolmentToken, { mode: 0o600 });
  }

  start(): void {
    const log = openSync(join(this.dir, 'agent.log'), 'a');
    this.child = spawn(process.execPath, [join(root, 'dist/apps/agent/main.js')], {
      env: {
        PATH: process.env.PATH,
        DROVER_CONTROLLER_URL: this.controller.url,
        DROVER_AGENT_DIR: this.dir,
        DROVER_ENROLMENT_TOKEN_FILE: join(this.dir, 'enrolment-token'),
        DROVER_CPU_CORES: '2',
        DROVER_MEMORY_MIB: '256',
        DROVER_IMAGES_DIR: join(root, 'guests'),
        DROVER_LOG_LEVEL: 'debug',
        DROVER_HEARTBEAT_SECONDS: '0.25', // tests wait for news all the time
        ...this.env,
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
  }

  /** Ends the agent with that signal; resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await ended;
  }

  get log(): string {
    return readFileSync(join(this.dir, 'agent.log'), 'utf8');
  }

  get url(): string {
    return this.host.last.agentUrl;
  }

  /** An order by HTTP, with the agent's token unless another one is given. */
  request(method: string, path: string, body?: object | string, token?: string): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token ?? this.host.enrolment!.agentToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    });
  }

  /** A QMP connection beside the agent's, to a VM of this host. */
  monitor(vmId: string): Promise<QmpClient> {
    return QmpClient.connect({ path: join(this.dir, 'run', vmId, 'qmp.sock') });
  }

  /** The order that takes a VM from this host to another. */
  migrateTo(
    destination: AgentProcess,
    vm: Omit<Extract<HostJob, { kind: 'start' }>, 'kind'>,
    migrationId: string,
    limits: {
      bandwidthMiBps?: number;
      timeoutSeconds?: number;
      epoch?: number;
      tunnelled?: boolean;
      convergence?: z.input<typeof Convergence>;
    } = {},
  ): Extract<HostJob, { kind: 'migrate' }> {
    const { vmId, spec, epoch: sourceEpoch } = vm;
    const epoch = limits.epoch ?? sourceEpoch + 1;
    const { hostId, name, enrolment } = destination.host;
    const ticket = ticketFor(enrolment!.agentToken, { migrationId, vmId, epoch });
    return {
      kind: 'migrate',
      migrationId,
      vmId,
      sourceEpoch,
      epoch,
      spec,
      destination: { hostId, hostName: name, agentUrl: destination.url, ticket },
      downtimeLimitMs: 300,
      bandwidthMiBps: limits.bandwidthMiBps ?? null,
      timeoutSeconds: limits.timeoutSeconds ?? 60,
      convergence: Convergence.parse(limits.convergence ?? {}),
      decideAloneAfterSeconds: 2,
      checkpointLimitMiB: 0,
      encrypted: true,
      tunnelled: limits.tunnelled ?? false,
    };
  }

  /** Process ids of the VMMs of this host, or of one VM on it. */
  vmmPids(vmId = ''): number[] {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .filter((pid) => {
        try {
          const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
          return (
            /apps\/vmm\/main\.js|qemu-system-/.test(command) &&
            command.includes(`${this.dir}/`) &&
            command.includes(vmId)
          );
        } catch {
          return false; // it ended meanwhile
        }
      })
      .map(Number);
  }

  /** Ends the agent and its VMs, and removes what they left. */
  async destroy(): Promise<void> {
    await this.end('SIGKILL');
    for (const pid of this.vmmPids()) process.kill(pid, 'SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
