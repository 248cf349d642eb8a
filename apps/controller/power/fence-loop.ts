import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { type Cluster, Database, type Host, type HostPower } from '#database';
import { IllegalTransition } from '#lifecycle';
import { AgentClient } from '../agents/agent-client.js';
import { Refused } from '../http/problems.js';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { Ticker } from '../ticker.js';
import { CONFIG } from '../tokens.js';
import { VmsService } from '../vms/vms.service.js';
import { decideFence, FENCED_OF_LATE_MS, type FenceDecision } from './decide-fence.js';
import { orderPower, subjectOf } from './operations.js';

/** Between why a VM is down and why it is not started yet. */
const WAITS = '; it waits for a host: ';

/**
 * Cuts the power of hosts that are lost, where their cluster wants it, and starts VMs that shall be highly available
 * elsewhere. Nothing is started before the reconciler knows its VM to be down: without power nothing runs.
 */
@Injectable()
export class FenceLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;
  /** A host is not blamed for the time in which this controller did not listen. */
  private readonly listeningSinceMs = Date.now();

  constructor(
    private readonly db: Database,
    private readonly agents: AgentClient,
    private readonly vms: VmsService,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'fence loop',
      intervalMs: this.config.loopIntervalMs,
      // One controller at a time: two would tell everything twice.
      work: async () => void (await this.db.exclusively('fence', () => this.turn())),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.ticker?.stop();
  }

  private async turn(): Promise<void> {
    for (const cluster of await this.db.clusters.all()) if (cluster.fencing.enabled) await this.lookAt(cluster);
    for (const { id, name, statusReason } of await this.db.vms.lost()) await this.restart(id, name, statusReason);
  }

  private async lookAt(cluster: Cluster): Promise<void> {
    const hosts = await this.db.hosts.ofCluster(cluster.id);
    const powers = new Map((await this.db.hostPower.all()).map((power) => [power.hostId, power]));
    const isFenced = (host: Host) => wasFenced(host, powers.get(host.id), Date.now());
    const silent = hosts.filter((host) => host.status === 'non_responsive' || isFenced(host));
    const inService = hosts.filter(
      (host) => host.status !== 'installing' && (host.status !== 'powered_off' || isFenced(host)),
    );
    let beingFenced = hosts.filter(
      ({ id, status }) => status === 'powering_off' && powers.get(id)?.operation?.fences,
    ).length;
    for (const host of silent.filter(({ status }) => status === 'non_responsive')) {
      const power = powers.get(host.id);
      const lost = {
        ...{ hostName: host.name, status: host.status, silentHosts: silent.length, hosts: inService.length },
        silentMs: Date.now() - Math.max(host.statusSince.getTime(), this.listeningSinceMs),
        hasManagement: Boolean(power?.management),
        isSwitched: Boolean(power?.operation),
        agentAnswers: false,
        beingFenced,
        fencedAgoMs: power?.fencedAt ? Date.now() - power.fencedAt.getTime() : null,
      };
      const first = decideFence(lost, cluster.fencing);
      // It is called only where that would be the last reason not to fence it.
      const agentAnswers = first.action === 'fence' && (await this.agents.isReachable(host));
      const decision = decideFence({ ...lost, agentAnswers }, cluster.fencing);
      await this.perform(host, decision);
      if (decision.action === 'fence') beingFenced++;
    }
  }

  private async perform(seen: Host, decision: FenceDecision): Promise<void> {
    const { action, reason } = decision;
    const now = new Date();
    await this.db.transaction(async (tx) => {
      const host = await tx.hosts.lock(seen.id);
      // Its heartbeat has come meanwhile, or people have ordered something else.
      if (host.status !== 'non_responsive' || host.statusSince.getTime() !== seen.statusSince.getTime()) return;
      if (decision.action === 'fence') {
        this.log.warn({ hostId: host.id, host: host.name, reason }, 'fencing');
        // One that was to be emptied is empty when it is back.
        const statusAfter = host.statusBeforeLoss === 'up' ? 'up' : 'maintenance';
        const kind = decision.restarts ? 'cycle' : 'off';
        await orderPower(
          tx,
          host.id,
          { kind, statusAfter, force: true, fences: true, reason: `fenced: ${reason}` },
          now,
        );
      } else if (action === 'skip' && !host.statusReason.endsWith(reason)) {
        const silence = `no heartbeat since ${host.lastHeartbeatAt?.toISOString()}`;
        await tx.hosts.update(host.id, { statusReason: `${silence}; ${reason}` });
        await tx.events.add('warning', 'host.not_fenced', `${host.name}: ${reason}`, subjectOf(host), now);
      }
    });
  }

  /** Those of higher priority come first; one that finds no host now is tried again. */
  private async restart(id: string, name: string, statusReason: string): Promise<void> {
    const now = new Date();
    const [why = ''] = statusReason.split(WAITS);
    try {
      const vm = await this.vms.start(id, null, now);
      const text = `${name} is started again, because it is to be highly available: ${why}`;
      await this.db.events.add(
        'info',
        'vm.restarted',
        text,
        { vmId: id, clusterId: vm.clusterId, hostId: vm.hostId },
        now,
      );
    } catch (error) {
      if (error instanceof IllegalTransition) return; // somebody else has started it
      if (!(error instanceof Refused)) throw error;
      const text = `${why}${WAITS}${error.message}`;
      if (text === statusReason) return;
      await this.db.transaction(
        async (tx) => void (await tx.vms.update(await tx.vms.lock(id), { statusReason: text })),
      );
    }
  }
}

/** It is being fenced, or was of late and is still off: as good as silent. */
function wasFenced({ status, statusSince }: Host, power: HostPower | undefined, nowMs: number): boolean {
  if (!power) return false;
  if (power.operation?.fences) return true;
  const fencedMs = power.fencedAt?.getTime() ?? 0;
  return status === 'powered_off' && fencedMs >= statusSince.getTime() && nowMs - fencedMs < FENCED_OF_LATE_MS;
}
