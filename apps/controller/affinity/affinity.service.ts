import { Injectable } from '@nestjs/common';
import type { AffinityGroupQuery, AffinityGroupView, CreateAffinityGroup, Page, UpdateAffinityGroup } from '#contracts';
import { type AffinityGroupRow, Conflict, Database, type Repositories } from '#database';
import { type ClusterFacts, conflictsOf, violationsOf } from '#planner';
import { BadInput } from '../http/problems.js';

/** Keeps affinity groups whose hard rules can hold together. The policy loop sees to it that they do. */
@Injectable()
export class AffinityService {
  constructor(private readonly db: Database) {}

  async page(query: AffinityGroupQuery): Promise<Page<AffinityGroupView>> {
    const facts = await this.db.facts.ofCluster((await this.db.clusters.get(query.clusterId)).id);
    const { items, nextCursor } = await this.db.affinity.page(query);
    return { items: items.map((row) => view(row, facts)), nextCursor };
  }

  async get(id: string): Promise<AffinityGroupView> {
    const row = await this.db.affinity.get(id);
    return view(row, await this.db.facts.ofCluster(row.clusterId));
  }

  create(body: CreateAffinityGroup, now: Date): Promise<AffinityGroupView> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.clusters.get(body.clusterId)).id);
      return this.checked(tx, await tx.affinity.create(body), 'made', now);
    });
  }

  update(id: string, body: UpdateAffinityGroup, now: Date): Promise<AffinityGroupView> {
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.affinity.get(id)).clusterId);
      return this.checked(tx, await tx.affinity.update(id, body), 'changed', now);
    });
  }

  remove(id: string, now: Date): Promise<void> {
    return this.db.transaction(async (tx) => {
      const { clusterId, name } = await tx.affinity.get(id);
      await tx.affinity.remove(id);
      await tx.events.add('info', 'affinity.deleted', `affinity group ${name} was deleted`, { clusterId }, now);
    });
  }

  /** Refuses members that are not the cluster's, and hard rules that cannot hold together. */
  private async checked(tx: Repositories, row: AffinityGroupRow, what: string, now: Date): Promise<AffinityGroupView> {
    const { vms, hosts } = await tx.facts.membersOf(row.clusterId);
    const missing = [...strangers('vmIds', row.vmIds, vms), ...strangers('hostIds', row.hostIds, hosts)];
    if (missing.length > 0) throw new BadInput(missing);
    const conflicts = conflictsOf(await tx.affinity.ofCluster(row.clusterId), vms, hosts);
    const own = conflicts.filter(({ groupIds }) => groupIds.includes(row.id));
    if (own.length > 0) throw new Conflict(own.map(({ reason }) => reason).join('; '));
    const text = `affinity group ${row.name} was ${what} by the administrator`;
    await tx.events.add('info', 'affinity.changed', text, { clusterId: row.clusterId }, now);
    return view(row, await tx.facts.ofCluster(row.clusterId));
  }
}

function strangers(field: string, ids: readonly string[], members: readonly { readonly id: string }[]) {
  const known = new Set(members.map(({ id }) => id));
  return ids.flatMap((id, index) =>
    known.has(id) ? [] : { field: `${field}.${index}`, message: `${id} is not in this cluster; take it out` },
  );
}

const view = (row: AffinityGroupRow, facts: ClusterFacts): AffinityGroupView => ({
  ...row,
  violations: violationsOf(facts, row.id),
  createdAt: row.createdAt.toISOString(),
});
