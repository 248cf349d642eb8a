/** Two real agents with real VMs, and a controller that the test plays; for end-to-end tests of agents. */
// oxlint-disable vitest/no-standalone-expect -- what is here is called inside of tests
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { HostJob } from '#contracts';
import { tunnelKey } from '../../apps/agent/network/tunnel.js';
import { startTestPostgres } from '../postgres.js';
import { AgentProcess } from './agent-process.js';
import { FakeController } from './fake-controller.js';

export type StartJob = Extract<HostJob, { kind: 'start' }>;

export const eventually = <T>(probe: () => T | Promise<T>, timeoutMs = 90_000) =>
  vi.waitFor(probe, { timeout: timeoutMs, interval: 100 });

/** An order to start a guest that checks its own memory. */
export const pager = (append = 'region=8 rate=1', memoryMiB = 32): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: { name: 'web-1', vcpus: 1, memoryMiB, image: 'pager', append: `${append} beat=100`, nics: [], disks: [] },
});

/** Sequence number of the last line that the guest printed; fails if it saw a wrong page. */
export function lastBeat(agent: AgentProcess, vmId: string): number {
  const { consoleTail } = agent.host.vm(vmId)!;
  expect(consoleTail).not.toContain('ERROR');
  return Number([...consoleTail.matchAll(/^pager seq=(\d+) /gm)].at(-1)?.[1] ?? -1);
}

export class TwoHosts {
  private constructor(
    readonly dir: string,
    private readonly stopPostgres: () => Promise<void>,
    readonly controller: FakeController,
    readonly a: AgentProcess,
    readonly b: AgentProcess,
  ) {}

  /** `env`: of the agents. */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<TwoHosts> {
    const dir = mkdtempSync(join(tmpdir(), 'drover-agents-'));
    const postgres = await startTestPostgres();
    const controller = await FakeController.start(postgres.url);
    const [a, b] = ['a', 'b'].map(
      (name) => new AgentProcess(controller.addHost(`host-${name}`), join(dir, name), controller, env),
    ) as [AgentProcess, AgentProcess];
    for (const agent of [a, b]) agent.start();
    await eventually(() => [a.host.last, b.host.last]);
    return new TwoHosts(dir, postgres.stop, controller, a, b);
  }

  /** Answers heartbeats from now on with the other host's switch, as the controller does. */
  introduce(): void {
    const tell = (self: AgentProcess, other: AgentProcess) => {
      const { hostId, enrolment, last } = other.host;
      const key = tunnelKey(enrolment!.agentToken, self.host.hostId, hostId);
      self.host.answer = { ...self.host.answer, peers: [{ hostId, address: last.tunnelAddress!, key }] };
    };
    tell(this.a, this.b);
    tell(this.b, this.a);
  }

  async stop(): Promise<void> {
    await Promise.all([this.a, this.b].map((agent) => agent.destroy()));
    await this.controller.stop();
    await this.stopPostgres();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Waits until the guest is up there and has printed a line beyond that one. */
  async expectUp(agent: AgentProcess, vmId: string, beyondBeat = 0): Promise<void> {
    await eventually(() => {
      const vm = agent.host.vm(vmId);
      expect(vm?.status, vm?.message).toBe('up');
      expect(lastBeat(agent, vmId)).toBeGreaterThan(beyondBeat);
    });
  }

  async startPager(agent: AgentProcess, job = pager()): Promise<StartJob> {
    await this.controller.order(agent.host, job);
    await this.expectUp(agent, job.vmId);
    return job;
  }

  async powerOff(agent: AgentProcess, { vmId }: StartJob, epoch = 1): Promise<void> {
    await this.controller.order(agent.host, { kind: 'stop', vmId, epoch, mode: 'power_off' });
    await eventually(() => expect(agent.host.vm(vmId)).toMatchObject({ status: 'down', message: 'stopped by order' }));
  }
}
