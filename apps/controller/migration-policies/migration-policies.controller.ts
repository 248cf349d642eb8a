import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import {
  CreateMigrationPolicy,
  Id,
  MigrationPolicyValues,
  MigrationPolicyVersion,
  MigrationPolicyView,
  type Page,
  pageOf,
  PageQuery,
  UpdateMigrationPolicy,
} from '#contracts';
import { Conflict, Database, type MigrationPolicy } from '#database';
import { Actor } from '../auth/actor.js';
import { BadInput } from '../http/problems.js';
import { Returns, ReturnsNothing } from '../http/returns.js';
import { versionView } from '../policy-versions/version.view.js';
import { migrationPolicyView } from './migration-policy.view.js';

@ApiTags('migration policies')
@ApiBearerAuth()
@Controller('migration-policies')
export class MigrationPoliciesController {
  constructor(private readonly db: Database) {}

  @Get()
  @Returns(pageOf(MigrationPolicyView))
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<MigrationPolicyView>> {
    const { items, nextCursor } = await this.db.migrationPolicies.page(query);
    return { items: items.map(migrationPolicyView), nextCursor };
  }

  @Post()
  @Returns(MigrationPolicyView, 201)
  create(
    @Body({ schema: CreateMigrationPolicy }) body: CreateMigrationPolicy,
    @Actor() changedBy: string,
  ): Promise<MigrationPolicyView> {
    return this.db.transaction(async (tx) => {
      const policy = checked(await tx.migrationPolicies.create(body));
      await tx.policyVersions.add(policy.id, { before: null, after: policyValues(policy), changedBy }, new Date());
      return migrationPolicyView(policy);
    });
  }

  @Get(':id')
  @Returns(MigrationPolicyView)
  async get(@Param('id', { schema: Id }) id: string): Promise<MigrationPolicyView> {
    return migrationPolicyView(await this.db.migrationPolicies.get(id));
  }

  /** Holds for migrations that begin afterwards. */
  @Patch(':id')
  @Returns(MigrationPolicyView)
  update(
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: UpdateMigrationPolicy }) body: UpdateMigrationPolicy,
    @Actor() changedBy: string,
  ): Promise<MigrationPolicyView> {
    return this.db.transaction(async (tx) => {
      const before = policyValues(await tx.migrationPolicies.lock(id));
      const policy = checked(await tx.migrationPolicies.update(id, body));
      await tx.policyVersions.add(id, { before, after: policyValues(policy), changedBy }, new Date());
      return migrationPolicyView(policy);
    });
  }

  /** What it has been, the newest version first, and who made it so. */
  @Get(':id/versions')
  @Returns(pageOf(MigrationPolicyVersion))
  async versions(@Param('id', { schema: Id }) id: string): Promise<Page<MigrationPolicyVersion>> {
    await this.db.migrationPolicies.get(id);
    const items = (await this.db.policyVersions.of(id)).map((version) => versionView(version, MigrationPolicyValues));
    return { items, nextCursor: null };
  }

  @Delete(':id')
  @ReturnsNothing()
  async remove(@Param('id', { schema: Id }) id: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (id === (await tx.migrationPolicies.defaultId()))
        throw new Conflict('this is the policy of clusters that name no other; it can be changed, not deleted');
      await tx.migrationPolicies.remove(id);
    });
  }
}

/** Throws BadInput if its parts contradict each other. */
function checked(policy: MigrationPolicy): MigrationPolicy {
  if (!policy.tunnelled || policy.encryption !== 'never') return policy;
  const message = 'what is tunnelled is always encrypted: choose auto or always, or do without the tunnel';
  throw new BadInput([{ field: 'encryption', message }]);
}

/** What is kept of each change. */
const policyValues = (policy: MigrationPolicy): MigrationPolicyValues => MigrationPolicyValues.parse(policy);
