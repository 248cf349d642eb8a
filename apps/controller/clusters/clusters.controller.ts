import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  ClusterPolicy,
  ClusterPolicyVersion,
  ClusterView,
  CreateCluster,
  CreatePlan,
  Id,
  type Page,
  pageOf,
  PageQuery,
  PlanView,
  UpdateCluster,
  WhatIf,
  WhatIfView,
} from '#contracts';
import { Database } from '#database';
import { openWindow } from '#planner';
import { Actor } from '../auth/actor.js';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { planView } from '../plans/plan.view.js';
import { Planning } from '../plans/planning.js';
import { WhatIfs } from '../plans/what-if.service.js';
import { PolicyLoop } from '../policy-loop/policy-loop.js';
import { versionView } from '../policy-versions/version.view.js';
import { clusterView } from './cluster.view.js';
import { policyValues } from './current-policy.js';

@ApiTags('clusters')
@ApiBearerAuth()
@Controller('clusters')
export class ClustersController {
  constructor(
    private readonly db: Database,
    private readonly planning: Planning,
    private readonly whatIfs: WhatIfs,
    private readonly policyLoop: PolicyLoop,
  ) {}

  @Get()
  @Returns(pageOf(ClusterView))
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<ClusterView>> {
    const { items, nextCursor } = await this.db.clusters.page(query);
    return { items: items.map(clusterView), nextCursor };
  }

  @Post()
  @Returns(ClusterView, 201)
  create(@Body({ schema: CreateCluster }) body: CreateCluster, @Actor() changedBy: string): Promise<ClusterView> {
    const now = new Date();
    return this.db.transaction(async (tx) => {
      const migrationPolicyId = body.migrationPolicyId ?? (await tx.migrationPolicies.defaultId());
      await tx.migrationPolicies.get(migrationPolicyId);
      const window = openWindow(body.policySchedule, now.getTime());
      const cluster = await tx.clusters.create({ ...body, migrationPolicyId, openWindow: window });
      await tx.policyVersions.add(cluster.id, { before: null, after: policyValues(cluster), changedBy }, now);
      return clusterView(cluster);
    });
  }

  @Get(':id')
  @Returns(ClusterView)
  async get(@Param('id', { schema: Id }) id: string): Promise<ClusterView> {
    return clusterView(await this.db.clusters.get(id));
  }

  @Patch(':id')
  @Returns(ClusterView)
  async update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateCluster }) body: UpdateCluster,
    @Actor() changedBy: string,
  ): Promise<ClusterView> {
    const now = new Date();
    const updated = await this.db.transaction(async (tx) => {
      const before = await tx.clusters.lock(id);
      if (body.migrationPolicyId) await tx.migrationPolicies.get(body.migrationPolicyId);
      // Which window of a new schedule is open is the policy loop's business; until it has looked, none is.
      const window = body.policySchedule === undefined ? {} : { openWindow: null };
      const cluster = await tx.clusters.update(id, { ...body, ...window });
      const change = { before: policyValues(before), after: policyValues(cluster), changedBy };
      await tx.policyVersions.add(id, change, now);
      if (body.schedulingPolicy) {
        const isSame = before.schedulingPolicy.name === cluster.schedulingPolicy.name;
        const text = isSame
          ? `the policy of ${cluster.name}, ${cluster.schedulingPolicy.name}, has other parameters now`
          : `the policy of ${cluster.name} was ${before.schedulingPolicy.name} and is now ${cluster.schedulingPolicy.name}`;
        await tx.events.add('info', 'cluster.policy', `${text}; changed by ${changedBy}`, { clusterId: id }, now);
      }
      return clusterView(cluster);
    });
    this.policyLoop.soon();
    return updated;
  }

  /** What its policy has been, the newest version first, and who made it so. */
  @Get(':id/versions')
  @Returns(pageOf(ClusterPolicyVersion))
  async versions(@Param('id', { schema: Id }) id: string): Promise<Page<ClusterPolicyVersion>> {
    await this.db.clusters.get(id);
    const items = (await this.db.policyVersions.of(id)).map((version) => versionView(version, ClusterPolicy));
    return { items, nextCursor: null };
  }

  /** Only an empty cluster can be deleted. */
  @Delete(':id')
  @ReturnsNothing()
  async remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    await this.db.transaction((tx) => tx.clusters.remove(id));
  }

  /** A dry run: what a policy would do now, and why. Nothing moves. */
  @Post(':id/plan')
  @Returns(PlanView, 201)
  async plan(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: CreatePlan }) body: CreatePlan,
  ): Promise<PlanView> {
    return planView(await this.planning.dryRun(id, body.schedulingPolicy, new Date()));
  }

  /** What the planner would say with another policy, without some hosts, or with more VMs. Nothing moves. */
  @Post(':id/what-if')
  @Returns(WhatIfView)
  whatIf(@Param('id', { schema: Id }) id: string, @Body({ schema: WhatIf }) body: WhatIf): Promise<WhatIfView> {
    return this.whatIfs.ask(id, body, new Date());
  }
}
