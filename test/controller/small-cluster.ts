/** A controller in this process on a PostgreSQL of its own, one cluster, and hosts whose agents only pretend to run VMs. */
import type { Server } from '../../apps/controller/server.js';
import { startTestPostgres, type TestPostgres } from '../postgres.js';
import { Api, startController } from './api.js';
import { FakeAgent } from './fake-agent.js';

export class SmallCluster {
  readonly api = new Api('');
  readonly agents: FakeAgent[] = [];
  /** With which each enrolled. */
  readonly tokens = new Map<FakeAgent, string>();
  postgres!: TestPostgres;
  private server: Server | undefined;
  private redisUrl: string | undefined;

  /** @param cluster What the cluster is made with, beside its name `main`. @returns its id. */
  async start(
    cluster: object = {},
    hostNames: readonly string[] = ['alpha', 'beta'],
    redisUrl?: string,
  ): Promise<string> {
    this.redisUrl = redisUrl;
    this.postgres = await startTestPostgres();
    await this.startController();
    const { id: clusterId } = await this.api.post('/clusters', { name: 'main', ...cluster });
    for (const name of hostNames) {
      const { enrolmentToken } = await this.api.post('/hosts', { name, clusterId });
      this.tokens.set(await FakeAgent.start(this.api.base, enrolmentToken, this.agents), enrolmentToken);
    }
    return clusterId;
  }

  /** One that is up. */
  async createVm(vm: { readonly name: string; readonly clusterId: string }) {
    const { id } = await this.api.post('/vms', { image: 'pager', memoryMiB: 64, ...vm });
    return this.api.until(`/vms/${id}`, { status: 'up' });
  }

  /** A new one may be on another port: the agents that are there turn to it. */
  async startController(): Promise<void> {
    this.server = await startController(this.postgres.url, this.redisUrl);
    this.api.base = this.server.url;
    for (const agent of this.agents) agent.begin(this.server.url);
  }

  async restartController(): Promise<void> {
    await this.stopController();
    await this.startController();
  }

  async stopController(): Promise<void> {
    await this.server?.close();
  }

  async close(): Promise<void> {
    for (const agent of this.agents) await agent.stop();
    await this.stopController();
    await this.postgres?.stop();
  }
}
