import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { MigrationDecision, MigrationDetail, MigrationLogView, MigrationParameters } from '#contracts';
import { Database, type Migration, NotFound } from '#database';
import { hasEnded, IllegalTransition } from '#lifecycle';
import { AgentClient } from '../agents/agent-client.js';
import { Refused } from '../http/problems.js';
import { Orders } from '../orders.js';
import { cancelMigration } from './lifecycle.js';
import { migrationView } from './migration.view.js';

@Injectable()
export class MigrationsService {
  constructor(
    private readonly db: Database,
    private readonly agents: AgentClient,
    private readonly orders: Orders,
  ) {}

  async detail(id: string): Promise<MigrationDetail> {
    const migration = await this.db.migrations.get(id);
    const timeline = await this.db.migrations.timeline(id);
    return {
      ...migrationView(migration),
      iterations: await this.db.migrations.iterations(id),
      downtimeBreakdown: migration.downtimeBreakdown,
      convergence: migration.convergence,
      encryption: migration.encryption,
      tunnelled: migration.tunnelled,
      decisions: migration.decisions.map(withLostTime),
      versions: migration.versions,
      timeline: timeline.map(({ at, status, message }) => ({ at: at.toISOString(), status, message })),
    };
  }

  /** What everybody who took part had to say, in order; lines that do not say when follow those of their side. */
  async log(id: string): Promise<MigrationLogView> {
    const timeline = await this.db.migrations.timeline(id);
    const events = await this.db.events.ofMigration(id);
    const own = [
      ...timeline.map(({ at, status, message }) => ({ at, level: 'info', message: `${status}: ${message}` })),
      ...events.map(({ at, severity, message }) => ({ at, level: severity, message })),
    ].map(({ at, ...line }) => ({
      ...line,
      at: at.toISOString(),
      side: 'controller' as const,
      from: 'controller' as const,
    }));
    const both = await this.db.migrations.log(id);
    const timed = [...own, ...both].filter(({ at }) => at !== null);
    const inOrder = timed.toSorted((a, b) => Date.parse(a.at!) - Date.parse(b.at!));
    return { lines: [...inOrder, ...both.filter(({ at }) => at === null)] };
  }

  /** Nothing has begun: it ends here. Else its source is asked, and reports the end. */
  async cancel(id: string, now: Date): Promise<Migration> {
    const migration = await this.stillActive(id, 'cancelled');
    if (migration.reportedAt === null && (await this.withdraw(migration))) {
      await this.db.transaction(async (tx) => {
        const vm = await tx.vms.lock(migration.vmId);
        await cancelMigration(tx, await tx.migrations.get(id), 'cancelled before it began', {}, now);
        if (vm.status === 'migrating') await tx.vms.changeStatus(vm.id, 'up', { statusReason: '' }, now);
      });
      return this.db.migrations.get(id);
    }
    await this.ask(migration, { method: 'POST', path: `/v1/migrations/${id}/cancel` });
    return this.db.migrations.get(id);
  }

  async changeParameters(id: string, parameters: MigrationParameters): Promise<Migration> {
    const migration = await this.stillActive(id, 'changed');
    const begun = migration.reportedAt !== null || !(await this.withdraw(migration));
    if (begun)
      await this.ask(migration, { method: 'PATCH', path: `/v1/migrations/${id}/parameters`, body: parameters });
    await this.db.migrations.update(id, parameters);
    const changed = await this.db.migrations.get(id);
    if (!begun) await this.orders.send([await this.orderOf(changed)]);
    return changed;
  }

  private async stillActive(id: string, to: string): Promise<Migration> {
    const migration = await this.db.migrations.get(id);
    if (hasEnded(migration.status))
      throw new IllegalTransition(`migration ${migration.ordinal} of VM ${migration.vmName}`, migration.status, to);
    return migration;
  }

  private async withdraw(migration: Migration): Promise<boolean> {
    return this.orders.withdraw(await this.orderOf(migration));
  }

  private async orderOf(migration: Migration) {
    return this.orders.migrateOrder(this.db, migration, await this.db.vms.get(migration.vmId));
  }

  private async ask(migration: Migration, call: Parameters<AgentClient['call']>[1]): Promise<void> {
    try {
      await this.agents.call(migration.sourceHostId, call, z.unknown());
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      throw new Refused(
        `${migration.sourceHostName} is just taking the migration over, or has ended it; try again in a moment`,
      );
    }
  }
}

/** A decision that an older version has stored does not say what the guest would have lost. */
function withLostTime({ figures, ...decision }: MigrationDecision): MigrationDecision {
  const candidates = figures.candidates.map((each) => ({ ...each, lostMs: each.lostMs ?? null }));
  return { ...decision, figures: { ...figures, candidates } };
}
