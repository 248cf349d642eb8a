import { type EntityManager, In, IsNull, LessThan, Not } from 'typeorm';
import type { HostQuery, HostStatus, Page } from '#contracts';
import { HOST_TRANSITIONS, transition } from '#lifecycle';
import { AgentCredential } from '../entities/agent-credential.entity.js';
import { Host } from '../entities/host.entity.js';
import { page } from '../paging.js';
import { BaseRepository } from './base.js';

/** What VMs and migrations make of a host. */
export interface HostUsage {
  readonly vmCount: number;
  /** Promised to VMs that run here or are on their way here. */
  readonly memoryUsedMiB: number;
  /** By network cards of the VMs here; null: not known of all. */
  readonly networkUsedMiBps: number | null;
  readonly migrationCount: number;
}

export interface Tunnel {
  readonly hostId: string;
  readonly tunnelAddress: string;
  readonly agentTokenEncrypted: Buffer;
}

const NO_USAGE: HostUsage = { vmCount: 0, memoryUsedMiB: 0, networkUsedMiBps: 0, migrationCount: 0 };
const ANSWERING: HostStatus[] = ['up', 'preparing_for_maintenance', 'maintenance'];

export class HostRepository extends BaseRepository<Host> {
  constructor(manager: EntityManager) {
    super(manager, Host, 'host');
  }

  page({ clusterId, status, name, ...paging }: HostQuery): Promise<Page<Host>> {
    const query = this.rows.createQueryBuilder('row');
    if (clusterId) query.andWhere('row.clusterId = :clusterId', { clusterId });
    if (status) query.andWhere('row.status = :status', { status });
    if (name) query.andWhere('row.name = :name', { name });
    return page(query, paging, { by: 'name', direction: 'ASC' });
  }

  all(): Promise<Host[]> {
    return this.rows.find({ order: { name: 'ASC' } });
  }

  withStatus(clusterId: string, status: HostStatus): Promise<Host[]> {
    return this.rows.find({ where: { clusterId, status }, order: { name: 'ASC' } });
  }

  ofCluster(clusterId: string): Promise<Host[]> {
    return this.rows.find({ where: { clusterId }, order: { name: 'ASC' } });
  }

  /** Hosts that should answer and have not done so since `since`. */
  silentSince(since: Date): Promise<Host[]> {
    return this.rows.findBy({ status: In(ANSWERING), lastHeartbeatAt: LessThan(since) });
  }

  async create(values: Pick<Host, 'name' | 'clusterId'>, enrolmentTokenSha256: string): Promise<Host> {
    const host = await this.rows.save(this.rows.create(values));
    await this.manager.getRepository(AgentCredential).insert({ hostId: host.id, enrolmentTokenSha256 });
    return this.get(host.id);
  }

  /** MiB/s of the links that are known, by host. */
  async links(): Promise<Map<string, number>> {
    const hosts = await this.rows.find({ select: { id: true, linkMiBps: true }, where: { linkMiBps: Not(IsNull()) } });
    return new Map(hosts.map(({ id, linkMiBps }) => [id, linkMiBps!]));
  }

  /** Changes what is not the status. */
  async update(id: string, values: Partial<Omit<Host, 'id' | 'status' | 'statusSince'>>): Promise<void> {
    await this.rows.update({ id }, values as never);
  }

  /** Locks the host and moves it to a status that may follow its own. Throws IllegalTransition. */
  async changeStatus(
    id: string,
    to: HostStatus,
    values: Partial<Omit<Host, 'id' | 'status' | 'statusSince'>>,
    now: Date,
  ): Promise<Host> {
    const host = await this.lock(id);
    const status = transition(HOST_TRANSITIONS, `host ${host.name}`, host.status, to);
    const statusSince = status === host.status ? host.statusSince : now;
    return this.rows.save({ ...host, ...values, status, statusSince });
  }

  async remove(id: string): Promise<void> {
    await this.rows.delete({ id: (await this.lock(id)).id });
  }

  /** The switches of a cluster's hosts, and what their keys are made from. */
  async tunnels(clusterId: string): Promise<Tunnel[]> {
    return this.manager.query(
      `SELECT host.id AS "hostId", host.tunnel_address AS "tunnelAddress",
              credential.agent_token_encrypted AS "agentTokenEncrypted"
         FROM host JOIN agent_credential AS credential ON credential.host_id = host.id
        WHERE host.cluster_id = $1
          AND host.tunnel_address IS NOT NULL AND credential.agent_token_encrypted IS NOT NULL
        ORDER BY host.id`,
      [clusterId],
    );
  }

  async usage(ids: readonly string[]): Promise<(hostId: string) => HostUsage> {
    const rows: ({ id: string } & HostUsage)[] = await this.manager.query(
      `WITH moving AS (SELECT * FROM migration WHERE status NOT IN ('completed', 'failed', 'cancelled'))
       SELECT host.id,
              (SELECT count(*)::int FROM vm WHERE vm.host_id = host.id) AS "vmCount",
              (SELECT coalesce(sum(memory_mib), 0)::int FROM vm
                WHERE vm.host_id = host.id
                   OR vm.id IN (SELECT vm_id FROM moving WHERE destination_host_id = host.id)) AS "memoryUsedMiB",
              (SELECT CASE WHEN bool_or(network_used_mibps IS NULL) THEN NULL
                           ELSE coalesce(sum(network_used_mibps), 0)::float8 END
                 FROM vm WHERE vm.host_id = host.id) AS "networkUsedMiBps",
              (SELECT count(*)::int FROM moving
                WHERE host.id IN (source_host_id, destination_host_id)) AS "migrationCount"
         FROM host WHERE host.id = ANY ($1)`,
      [ids],
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return (hostId) => byId.get(hostId) ?? NO_USAGE;
  }
}
