import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type {
  AffinityCheck,
  AffinityGroup,
  AffinityGroupQuery,
  AffinityGroupView,
  CheckAffinityGroup,
  CreateAffinityGroup,
  Page,
  UpdateAffinityGroup,
} from '#contracts';
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

  /** What would come of a group. Nothing is kept. */
  async check({ clusterId, id = randomUUID(), ...body }: CheckAffinityGroup): Promise<AffinityCheck> {
    const cluster = await this.db.clusters.get(clusterId);
    const group = { id, ...body };
    const conflicts = await conflictsWith(this.db, cluster.id, group);
    const facts = await this.db.facts.ofCluster(cluster.id);
    const violations = violationsOf({ ...facts, affinityGroups: [group] }, id);
    return { violations, conflicts };
  }

  /** Refuses members that are not the cluster's, and hard rules that cannot hold together. */
  private async checked(tx: Repositories, row: AffinityGroupRow, what: string, now: Date): Promise<AffinityGroupView> {
    const conflicts = await conflictsWith(tx, row.clusterId, row);
    if (conflicts.length > 0) throw new Conflict(conflicts.join('; '));
    const text = `affinity group ${row.name} was ${what} by the administrator`;
    await tx.events.add('info', 'affinity.changed', text, { clusterId: row.clusterId }, now);
    return view(row, await tx.facts.ofCluster(row.clusterId));
  }
}

/** Why the group cannot hold together with the others; throws BadInput for members that are not the cluster's. */
async function conflictsWith(
  { affinity, facts }: Pick<Repositories, 'affinity' | 'facts'>,
  clusterId: string,
  group: AffinityGroup,
): Promise<string[]> {
  const { vms, hosts } = await facts.membersOf(clusterId);
  const missing = [...strangers('vmIds', group.vmIds, vms), ...strangers('hostIds', group.hostIds, hosts)];
  if (missing.length > 0) throw new BadInput(missing);
  const others = (await affinity.ofCluster(clusterId)).filter(({ id }) => id !== group.id);
  return conflictsOf([...others, group], vms, hosts)
    .filter(({ groupIds }) => groupIds.includes(group.id))
    .map(({ reason }) => reason);
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
