/** The controller's side of an agent's life, for tests: enrols hosts, keeps their heartbeats, gives orders by the real queue. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DataSource } from 'typeorm';
import {
  CertificateRequest,
  Enrol,
  type Enrolled,
  Heartbeat,
  HeartbeatAnswer,
  type HostJob,
  type VmReport,
} from '#contracts';
import { AgentRoles } from '#database';
import { HostQueues, QUEUE_SCHEMA, queueName } from '#queue';
import { type Authority, certifyHost, createAuthority } from '../../apps/controller/certificates/x509.js';

const ENROL = '/api/v1/agents/enrol';
const HEARTBEAT = '/api/v1/agents/heartbeat';
const CERTIFICATE = '/api/v1/agents/certificate';

export class FakeHost {
  readonly hostId = randomUUID();
  readonly enrolmentToken = randomBytes(24).toString('base64url');
  readonly heartbeatToken = randomBytes(24).toString('base64url');
  enrolment: Enrol | null = null;
  heartbeats: Heartbeat[] = [];
  /** What the next heartbeats are answered. */
  answer: HeartbeatAnswer = HeartbeatAnswer.parse({
    ...{ forgetVms: [], forgetMigrations: [], destroyVms: [], nextHeartbeatMs: 250 },
  });

  constructor(readonly name: string) {}

  get last(): Heartbeat {
    const last = this.heartbeats.at(-1);
    if (!last) throw new Error(`${this.name} has sent no heartbeat yet`);
    return last;
  }

  vm(vmId: string): VmReport | undefined {
    return this.last.vms.find((vm) => vm.vmId === vmId);
  }
}

export class FakeController {
  readonly hosts = new Map<string, FakeHost>();
  private server: Server | null = null;
  private port = 0;

  private constructor(
    private readonly databaseUrl: string,
    private readonly queues: HostQueues,
    private readonly db: DataSource,
    private readonly roles: AgentRoles,
    private readonly authority: Authority,
  ) {}

  static async start(databaseUrl: string): Promise<FakeController> {
    const queues = await HostQueues.open({ backend: 'postgres', url: databaseUrl }, () => undefined);
    const db = await new DataSource({ type: 'postgres', url: databaseUrl }).initialize();
    const roles = new AgentRoles(db, QUEUE_SCHEMA);
    await roles.protect();
    const controller = new FakeController(databaseUrl, queues, db, roles, await createAuthority(new Date()));
    await controller.listen();
    return controller;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  addHost(name: string): FakeHost {
    const host = new FakeHost(name);
    this.hosts.set(name, host);
    return host;
  }

  order(host: FakeHost, job: HostJob): Promise<void> {
    return this.queues.add(host.hostId, job);
  }

  /** Answers no more, until `listen`. */
  async goAway(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((done) => this.server?.close(done));
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      this.answer(request)
        .then(([status, body]) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
        )
        .catch((error: Error) => response.writeHead(500).end(JSON.stringify({ title: error.message })));
    });
    await new Promise<void>((done) => server.listen(this.port, '127.0.0.1', done));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    await this.goAway();
    await this.queues.close();
    await this.db.destroy();
  }

  private async answer(request: IncomingMessage): Promise<[number, unknown]> {
    const bearer = request.headers.authorization?.replace('Bearer ', '');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    const hosts = [...this.hosts.values()];
    if (request.url === ENROL) {
      const host = hosts.find(({ enrolmentToken }) => enrolmentToken === bearer);
      if (!host) return UNAUTHORIZED;
      host.enrolment = Enrol.parse(body);
      return [200, await this.enrol(host)];
    }
    const host = hosts.find(({ heartbeatToken }) => heartbeatToken === bearer);
    if (request.url === CERTIFICATE && host) {
      const { certificateRequest } = CertificateRequest.parse(body);
      const certificate = await certifyHost(this.authority, certificateRequest, host.hostId, new Date());
      return [201, { certificate, authority: this.authority.certificate }];
    }
    if (request.url !== HEARTBEAT || !host) return UNAUTHORIZED;
    host.heartbeats.push(Heartbeat.parse(body));
    return [200, host.answer];
  }

  private async enrol({ hostId, name, heartbeatToken }: FakeHost): Promise<Enrolled> {
    const queue = queueName(hostId);
    const url = new URL(this.databaseUrl);
    url.username = queue;
    url.password = randomBytes(12).toString('base64url');
    await this.roles.grant(queue, url.password);
    return {
      hostId,
      hostName: name,
      heartbeatToken,
      queue: { backend: 'postgres', url: url.href, schema: QUEUE_SCHEMA, queue },
    };
  }
}

const UNAUTHORIZED: [number, unknown] = [
  401,
  { type: 'about:blank', title: 'Unauthorized', status: 401, detail: 'this token is not known' },
];
