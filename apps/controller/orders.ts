import { Inject, Injectable } from '@nestjs/common';
import type { HostJob, MigrationEncryption, StopVm } from '#contracts';
import type { Migration, Repositories, Vm } from '#database';
import { HostQueues } from '#queue';
import { z } from 'zod';
import { AgentClient } from './agents/agent-client.js';
import { migrationTicket, SecretBox } from './auth/secrets.js';
import { type Log, LOG } from './log.js';
import { samplesOf } from './migrations/samples.js';
import { vmSpec } from './vms/vm.view.js';

/** Heartbeats that go unanswered for so long leave decisions about a migration to its source. */
const DECIDE_ALONE_AFTER_SECONDS = 5;

/** What a host is to do. */
export interface Order {
  readonly hostId: string;
  readonly job: HostJob;
}

/** What is to be done after the reconciler's transaction. */
interface Decided {
  readonly orders: readonly Order[];
  readonly withdrawn: readonly Order[];
  readonly cancelling: readonly { readonly hostId: string; readonly migrationId: string }[];
}

export const startOrder = (vm: Vm): Order => ({
  hostId: vm.hostId!,
  job: { kind: 'start', vmId: vm.id, epoch: vm.epoch, spec: vmSpec(vm), makeDisks: !vm.hasDisks },
});

/** After a VM was deleted; `hostId`: one that sees its disks. */
export const removeDisksOrder = (vm: Vm, hostId: string): Order => ({
  hostId,
  job: { kind: 'remove_disks', vmId: vm.id, epoch: vm.lastEpoch, disks: vm.disks },
});

export const stopOrder = (vm: Vm, mode: StopVm['mode']): Order => ({
  hostId: vm.hostId!,
  job: { kind: 'stop', vmId: vm.id, epoch: vm.epoch, mode },
});

export const pauseOrder = (vm: Vm, kind: 'pause' | 'resume'): Order => ({
  hostId: vm.hostId!,
  job: { kind, vmId: vm.id, epoch: vm.epoch },
});

/** For the log. */
const subjectOf = (job: HostJob) =>
  job.kind === 'command' ? { kind: job.kind, runId: job.runId } : { kind: job.kind, vmId: job.vmId };

/** Between hosts that call each other 127.0.0.1 nobody listens who could not read their memory as well. */
const isThisMachine = (url: string): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);

const isEncrypted = (encryption: MigrationEncryption, url: string): boolean =>
  encryption === 'always' || (encryption === 'auto' && !isThisMachine(url));

/** Writes orders, and puts them into the hosts' queues. */
@Injectable()
export class Orders {
  constructor(
    private readonly queues: HostQueues,
    private readonly box: SecretBox,
    private readonly agents: AgentClient,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Goes to the source; carries what the destination's agent will ask for. */
  async migrateOrder({ hosts, credentials }: Repositories, migration: Migration, vm: Vm): Promise<Order> {
    const { id: migrationId, vmId, epoch, sourceEpoch, destinationHostId } = migration;
    const host = await hosts.get(destinationHostId);
    const credential = await credentials.byHost(destinationHostId);
    if (!host.agentUrl || !credential?.agentTokenEncrypted)
      throw new Error(`host ${host.name} has not enrolled, yet it is the destination of migration ${migrationId}`);
    const ticket = migrationTicket(this.box.open(credential.agentTokenEncrypted), migrationId, vmId, epoch);
    const destination = { hostId: host.id, hostName: host.name, agentUrl: host.agentUrl, ticket };
    const { downtimeLimitMs, bandwidthMiBps, timeoutSeconds, convergence, checkpointLimitMiB } = migration;
    const { encryption, tunnelled } = migration;
    return {
      hostId: migration.sourceHostId,
      job: {
        kind: 'migrate',
        migrationId,
        vmId,
        sourceEpoch,
        epoch,
        spec: vmSpec(vm),
        destination,
        downtimeLimitMs,
        bandwidthMiBps,
        timeoutSeconds,
        convergence,
        ...samplesOf(vm.migrationPrediction, migration.createdAt),
        decideAloneAfterSeconds: DECIDE_ALONE_AFTER_SECONDS,
        checkpointLimitMiB,
        encrypted: isEncrypted(encryption, host.agentUrl),
        tunnelled,
      },
    };
  }

  /** After the transaction that decided them. An order that is lost here is given again by the reconciler. */
  async send(orders: readonly Order[]): Promise<void> {
    for (const { hostId, job } of orders) {
      try {
        await this.queues.add(hostId, job);
      } catch (error) {
        this.log.warn({ err: error, hostId, ...subjectOf(job) }, 'the queue did not take an order');
      }
    }
  }

  /** Takes back and sends what the reconciler has decided; after its transaction, as with `send`. */
  async follow({ orders, withdrawn, cancelling }: Decided): Promise<void> {
    for (const order of withdrawn) await this.withdraw(order);
    // A heartbeat waits for this: agents that do not answer must not add up.
    await Promise.all(cancelling.map(({ hostId, migrationId }) => this.cancel(hostId, migrationId)));
    await this.send(orders);
  }

  /** A source that cannot be told will find out by itself. */
  private async cancel(hostId: string, migrationId: string): Promise<void> {
    try {
      await this.agents.call(hostId, { method: 'POST', path: `/v1/migrations/${migrationId}/cancel` }, z.unknown());
    } catch (error) {
      this.log.warn({ err: error, hostId, migrationId }, 'the source was not told that its migration has ended');
    }
  }

  /** Takes an order back; false if it is being carried out, or the queue does not answer. */
  async withdraw({ hostId, job }: Order): Promise<boolean> {
    try {
      return await this.queues.withdraw(hostId, job);
    } catch (error) {
      this.log.warn({ err: error, hostId, ...subjectOf(job) }, 'the queue did not give an order back');
      return false;
    }
  }
}
