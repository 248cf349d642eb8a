import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { WhatIf, WhatIfView } from '#contracts';
import { Database } from '#database';
import { policyAt, whatIf } from '#planner';
import { limitsOf } from '../clusters/limits.js';
import { BadInput } from '../http/problems.js';
import { withPredictions } from '../migrations/predicted-facts.js';
import { named } from './named-plan.js';

/** Asks the planner about a cluster that is not as it is. Nothing is kept, and nothing moves. */
@Injectable()
export class WhatIfs {
  constructor(private readonly db: Database) {}

  ask(clusterId: string, question: WhatIf, now: Date): Promise<WhatIfView> {
    return this.db.transaction(async (tx) => {
      const cluster = await tx.clusters.get(clusterId);
      const facts = await withPredictions(tx, cluster, await tx.facts.ofCluster(clusterId), now);
      const atMs = question.at ? Date.parse(question.at) : now.getTime();
      const policy = question.schedulingPolicy ?? policyAt(cluster, atMs);
      const { withoutHostIds } = question;
      for (const [index, id] of withoutHostIds.entries())
        if (!facts.hosts.some((host) => host.id === id))
          throw new BadInput([{ field: `withoutHostIds.${index}`, message: `${cluster.name} has no such host` }]);
      const newVms = question.vms.map((vm) => ({ ...vm, id: randomUUID(), labels: [] }));
      const supposed = { policy, withoutHostIds, newVms };
      const answer = whatIf(facts, supposed, limitsOf(cluster), now.getTime());
      const { moves, hostActions, refusals, summary } = named(answer.plan, answer.facts, cluster, policy, now);
      const hostNames = new Map(facts.hosts.map(({ id, name }) => [id, name]));
      const { imbalanceBefore, imbalanceAfter, wattsBefore, wattsAfter } = answer;
      return {
        policy,
        summary,
        imbalanceBefore,
        imbalanceAfter,
        wattsBefore,
        wattsAfter,
        placements: answer.placements.map(({ vm, choice: { hostId, reason } }) => ({
          vmName: vm.name,
          hostId,
          hostName: hostId === null ? null : (hostNames.get(hostId) ?? hostId),
          reason,
        })),
        moves: [...moves],
        hostActions: [...hostActions],
        refusals: [...refusals],
      };
    });
  }
}
