import { Inject, Injectable } from '@nestjs/common';
import type { CreateHost, UpdateHost } from '#contracts';
import { Conflict, Database, type Host } from '#database';
import { HostQueues } from '#queue';
import { AgentAccess } from '../agents/agent-access.js';
import { newToken, sha256 } from '../auth/secrets.js';
import { type Log, LOG } from '../log.js';
import { endRun, followByRun } from '../maintenance/by-hand.js';
import { activateHost, deactivateHost, subjectOf } from './maintenance.js';

@Injectable()
export class HostsService {
  constructor(
    private readonly db: Database,
    private readonly access: AgentAccess,
    private readonly queues: HostQueues,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async create(values: CreateHost, now: Date): Promise<{ host: Host; enrolmentToken: string }> {
    const enrolmentToken = newToken();
    const host = await this.db.transaction(async (tx) => {
      await tx.clusters.get(values.clusterId);
      const created = await tx.hosts.create(values, sha256(enrolmentToken));
      await tx.events.add(
        'info',
        'host.created',
        `${created.name} was added; its agent may enrol`,
        subjectOf(created),
        now,
      );
      return created;
    });
    return { host, enrolmentToken };
  }

  /** Its labels. */
  async update(id: string, values: UpdateHost): Promise<Host> {
    return this.db.transaction(async (tx) => {
      await tx.hosts.lock(id);
      await tx.hosts.update(id, values);
      return tx.hosts.get(id);
    });
  }

  async remove(id: string, now: Date): Promise<void> {
    await this.db.transaction(async (tx) => {
      const host = await tx.hosts.lock(id);
      if ((await tx.vms.onHost(id)).length > 0)
        throw new Conflict(`VMs run on ${host.name}; deactivate it and wait until it is in maintenance`);
      if ((await tx.hosts.usage([id]))(id).migrationCount > 0)
        throw new Conflict(`VMs are on their way from or to ${host.name}; wait until they have arrived`);
      await tx.hosts.remove(id);
      await tx.events.add('info', 'host.deleted', `${host.name} was deleted`, subjectOf(host), now);
    });
    // What is left over harms nobody: a queue that nobody reads, a role that reaches an empty queue.
    await Promise.all([this.access.revoke(id), this.queues.remove(id)]).catch((error: unknown) =>
      this.log.warn({ err: error, hostId: id }, 'the queue of a deleted host is left over'),
    );
  }

  /** The policy loop empties the host and then puts it into maintenance. */
  deactivate(id: string, reason: string, now: Date): Promise<Host> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.hosts.get(id)).clusterId);
      const host = await deactivateHost(tx, id, reason, now);
      await followByRun(tx, host, reason, now);
      return host;
    });
  }

  activate(id: string, now: Date): Promise<Host> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.hosts.get(id)).clusterId);
      const host = await activateHost(tx, id, now);
      await endRun(tx, host, now);
      return host;
    });
  }
}
