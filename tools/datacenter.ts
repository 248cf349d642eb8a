/**
 * A whole datacenter on one machine: PostgreSQL, the controller, and host agents, each its own process, all below one
 * folder. The demo and the end-to-end tests run it. Whatever dies is started again.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, delimiter, dirname, join } from 'node:path';
import { DroverClient } from '#client';
import { ManagedProcess } from './managed-process.js';
import { type EmbeddedPostgres, startPostgres } from './postgres.js';

export interface HostSettings {
  readonly name: string;
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** What others are to call instead of the agent itself. */
  readonly agentUrl?: string;
}

interface Options {
  readonly dir: string;
  readonly port: number;
  /** A PostgreSQL that runs already; else one is embedded. */
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
  /** More settings of the controller, such as DROVER_POLICY_INTERVAL_SECONDS. */
  readonly controllerEnv?: Readonly<Record<string, string>>;
  /** The same of every agent. */
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** false: no fsync; for tests. */
  readonly durable?: boolean;
  /** Told what people may want to know. */
  readonly say: (line: string) => void;
}

/** The project's folder, from its sources (tests) as from dist/. */
const folder = dirname(import.meta.dirname);
const root = basename(folder) === 'dist' ? dirname(folder) : folder;
const PROGRAMS = { controller: 'dist/apps/controller/main.js', agent: 'dist/apps/agent/main.js' } as const;

/** Throws a sentence that says what to do if something else listens on the port. */
export async function checkPort(port: number): Promise<void> {
  await new Promise<void>((done, failed) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(
        error.code === 'EADDRINUSE'
          ? new Error(`Port ${port} is taken; end what listens there, or choose another with DROVER_PORT.`)
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => done()));
  });
}

export class Datacenter {
  readonly url: string;
  readonly controller: ManagedProcess;
  readonly agents = new Map<string, ManagedProcess>();
  private watch: NodeJS.Timeout | undefined;

  private connected: { readonly client: DroverClient; readonly token: string } | undefined;

  private constructor(
    private readonly options: Options,
    readonly postgres: EmbeddedPostgres | undefined,
    databaseUrl: string,
  ) {
    const { dir, port, redisUrl, controllerEnv } = options;
    this.url = `http://127.0.0.1:${port}`;
    this.controller = this.process('controller', PROGRAMS.controller, {
      DATABASE_URL: databaseUrl,
      ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
      DROVER_PORT: String(port),
      DROVER_ADMIN_TOKEN_FILE: this.tokenFile,
      DROVER_SECRET_FILE: join(dir, 'controller-secret'),
      ...controllerEnv,
    });
  }

  /** Starts PostgreSQL and the controller, and waits until the API answers. Agents follow with `startHost`. */
  static async start(options: Options): Promise<Datacenter> {
    mkdirSync(options.dir, { recursive: true });
    const embedded = options.databaseUrl
      ? undefined
      : await startPostgres({ dir: join(options.dir, 'postgres'), durable: options.durable ?? true });
    const datacenter = new Datacenter(options, embedded, options.databaseUrl ?? embedded!.url);
    try {
      await datacenter.startController();
    } catch (error) {
      await datacenter.stop();
      throw error;
    }
    if (embedded) datacenter.watchPostgres(embedded);
    return datacenter;
  }

  /** The admin's view of it. */
  get client(): DroverClient {
    return this.connected!.client;
  }

  get token(): string {
    return this.connected!.token;
  }

  private get tokenFile(): string {
    return join(this.options.dir, 'admin-token');
  }

  private async startController(): Promise<void> {
    await this.controller.endLeftover();
    await checkPort(this.options.port);
    this.controller.start();
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 100) {
      if (this.controller.pid === undefined)
        throw new Error(`The controller did not start: ${this.controller.lastWords()}`);
      const health = await fetch(`${this.url}/api/v1/health`).catch(() => undefined); // refused until it listens
      if (health?.ok) {
        const token = readFileSync(this.tokenFile, 'utf8').trim();
        this.connected = { token, client: new DroverClient({ url: this.url, token }) };
        return;
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`The controller did not answer within a minute: ${this.controller.lastWords()}`);
  }

  private watchPostgres(postgres: EmbeddedPostgres): void {
    this.watch = setInterval(() => {
      if (postgres.pid() !== undefined) return;
      this.options.say('PostgreSQL has died; starting it again');
      postgres.ensureRunning().catch((error: Error) => this.options.say(error.message));
    }, 1000);
  }

  /** Starts a host's agent; a host that the controller does not know yet is added to the cluster and enrols. */
  async startHost(settings: HostSettings, clusterId: string): Promise<void> {
    const dir = this.hostDir(settings.name);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const { items } = await this.client.hosts.list({ name: settings.name });
    const tokenFile = join(dir, 'enrolment-token');
    if (items.length === 0) {
      const { enrolmentToken } = await this.client.hosts.create({ name: settings.name, clusterId });
      writeFileSync(tokenFile, enrolmentToken, { mode: 0o600 });
    }
    const agent = this.process(settings.name, PROGRAMS.agent, {
      DROVER_CONTROLLER_URL: this.url,
      DROVER_ENROLMENT_TOKEN_FILE: tokenFile,
      DROVER_AGENT_DIR: dir,
      DROVER_CPU_CORES: String(settings.cpuCores),
      DROVER_MEMORY_MIB: String(settings.memoryMiB),
      DROVER_IMAGES_DIR: this.imageFolders().join(delimiter),
      DROVER_STOP_VMS_ON_EXIT: '1',
      ...(settings.agentUrl ? { DROVER_AGENT_URL: settings.agentUrl } : {}),
      ...this.options.agentEnv,
    });
    await agent.endLeftover();
    agent.start();
    this.agents.set(settings.name, agent);
  }

  /** The guest programs of the project, and what has been fetched. */
  private imageFolders(): string[] {
    const fetched = join(this.options.dir, 'images');
    mkdirSync(fetched, { recursive: true });
    return [join(root, 'guests'), fetched];
  }

  hostDir(name: string): string {
    return join(this.options.dir, 'hosts', name);
  }

  /** Stops VMs, agents, controller and PostgreSQL, in that order. */
  async stop(): Promise<void> {
    clearInterval(this.watch);
    await Promise.all([...this.agents.values()].map((agent) => agent.stop(20_000)));
    await this.controller.stop();
    await this.postgres?.stop();
  }

  private process(name: string, program: string, env: Record<string, string>): ManagedProcess {
    const { dir, say } = this.options;
    mkdirSync(join(dir, 'run'), { recursive: true });
    return new ManagedProcess({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', join(root, program)],
      env,
      logFile: join(dir, 'log', `${name}.log`),
      pidFile: join(dir, 'run', `${name}.pid`),
      onDeath: (message) => say(`${name} ${message}; starting it again`),
    });
  }
}
