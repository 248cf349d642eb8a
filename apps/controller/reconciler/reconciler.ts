import { Inject, Injectable } from '@nestjs/common';
import type { MigrationError, MigrationStatus } from '#contracts';
import { Database, type Host, type Migration, type Repositories, type Vm, type VmReportRow } from '#database';
import { type Log, LOG } from '../log.js';
import { completeMigration, failMigration } from '../migrations/lifecycle.js';
import { type Order, Orders, startOrder, stopOrder } from '../orders.js';
import { type CopyFacts, decide, type Decision, type HostFacts, type MigrationFacts, type VmFacts } from './decide.js';

/** More steps than any VM needs to agree with the reports; a guard against decisions that chase each other. */
const MAX_STEPS = 5;

/** What came out: orders to send or to take back, and VMs and active migrations as they are now, by the VM's id. */
export interface Settled {
  readonly orders: Order[];
  readonly withdrawn: Order[];
  /** Migrations that have ended, and that their sources are to end as well. */
  readonly cancelling: { readonly hostId: string; readonly migrationId: string }[];
  /** Loaded copies that their hosts are to start. */
  readonly finishing: { readonly vmId: string; readonly hostId: string; readonly epoch: number }[];
  readonly vms: Map<string, Vm>;
  readonly migrations: Map<string, Migration>;
}

/** Compares what is wanted, what was ordered and what hosts report, and repairs the difference. */
@Injectable()
export class Reconciler {
  constructor(
    private readonly db: Database,
    private readonly orders: Orders,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** What no heartbeat brings about: VMs whose host is silent; each in a transaction of its own. */
  async reconcileSilent(now: () => Date): Promise<void> {
    for (const vmId of await this.db.vms.idsOnSilentHosts()) {
      const settled = await this.db.transaction(async (tx) => this.settle(tx, await tx.vms.lockAll([vmId]), now()));
      await this.orders.follow(settled);
    }
  }

  /** Within the caller's transaction, which holds the locks on `vms`; the caller has its orders followed afterwards. */
  async settle(tx: Repositories, vms: readonly Vm[], now: Date): Promise<Settled> {
    const vmIds = vms.map(({ id }) => id);
    const reports = await tx.reports.ofVms(vmIds);
    const migrations = await tx.migrations.activeOfVms(vmIds);
    const settled: Settled = {
      orders: [],
      withdrawn: [],
      cancelling: [],
      finishing: [],
      vms: new Map(),
      migrations: new Map(),
    };
    const hostIds = [
      ...vms.flatMap(({ hostId }) => hostId ?? []),
      ...reports.map(({ hostId }) => hostId),
      ...migrations.flatMap(({ sourceHostId, destinationHostId }) => [sourceHostId, destinationHostId]),
    ];
    const hosts = new Map((await tx.hosts.byIds([...new Set(hostIds)])).map((host) => [host.id, hostFacts(host)]));
    for (let vm of vms) {
      const copies = reports.filter(({ vmId }) => vmId === vm.id).map(copyFacts);
      let migration = migrations.find(({ vmId }) => vmId === vm.id) ?? null;
      for (let step = 0; step < MAX_STEPS; step++) {
        const situation = {
          vm: vmFacts(vm),
          copies,
          host: (hostId: string) => hosts.get(hostId)!,
          migration: migration && migrationFacts(migration),
        };
        const decision = decide(situation, now.getTime());
        if (!decision) break;
        this.log.info({ vmId: vm.id, vm: vm.name, migrationId: migration?.id, ...decision }, 'reconciled');
        if (decision.action === 'finish_migration') {
          const { hostId, epoch } = decision;
          settled.finishing.push({ vmId: vm.id, hostId, epoch });
          break; // its effect shows in later reports
        }
        // A start that is given up must not be carried out later: the VM may run elsewhere by then.
        if (decision.action === 'set_status' && decision.to === 'down' && vm.status === 'starting')
          settled.withdrawn.push(startOrder(vm));
        if (decision.action === 'fail_migration' && decision.cancels)
          settled.cancelling.push({ hostId: migration!.sourceHostId, migrationId: migration!.id });
        const order = await this.perform(tx, decision, vm, migration, now);
        if (order) {
          settled.orders.push(order);
          break; // its effect shows in later reports
        }
        if (decision.action.endsWith('_migration')) migration = null;
        vm = await tx.vms.get(vm.id);
      }
      settled.vms.set(vm.id, vm);
      if (migration) settled.migrations.set(vm.id, migration);
    }
    return settled;
  }

  /** The one place where decisions become effects. */
  private async perform(
    tx: Repositories,
    decision: Exclude<Decision, { action: 'finish_migration' }>,
    vm: Vm,
    migration: Migration | null,
    now: Date,
  ): Promise<Order | null> {
    switch (decision.action) {
      case 'set_status':
        await this.setStatus(tx, decision, vm, now);
        return null;
      case 'follow': {
        const { hostId, epoch, reason } = decision;
        const change = { hostId, epoch, lastEpoch: Math.max(vm.lastEpoch, epoch), statusReason: reason };
        await tx.vms.changeStatus(vm.id, 'unknown', change, now);
        await tx.events.add('warning', 'vm.found', `${vm.name}: ${reason}`, subjectOf(vm, hostId), now);
        return null;
      }
      case 'complete_migration':
        await completeMigration(tx, migration!, decision.to, decision.reason, {}, now);
        return null;
      case 'fail_migration':
        await failMigration(tx, migration!, errorOf(decision, migration!.status), {}, now);
        if (decision.isLost) {
          const { reason } = decision;
          // What the source still has of it is no VM any more: the owner was the copy that is lost.
          await tx.vms.update(await tx.vms.lock(vm.id), { epoch: migration!.epoch });
          await this.setStatus(tx, { action: 'set_status', to: 'down', reason, isLost: true }, vm, now);
        }
        return null;
      case 'order':
        if (decision.job === 'migrate') return this.orders.migrateOrder(tx, migration!, vm);
        return decision.job === 'start' ? startOrder(vm) : stopOrder(vm, 'shutdown');
    }
  }

  private async setStatus(
    tx: Repositories,
    { to, reason, exitCode = null, isLost = false }: Extract<Decision, { action: 'set_status' }>,
    vm: Vm,
    now: Date,
  ): Promise<void> {
    const startedAt = to === 'up' ? (vm.startedAt ?? now) : vm.startedAt;
    await tx.vms.changeStatus(
      vm.id,
      to,
      {
        statusReason: reason,
        startedAt,
        ...(to === 'down' ? { exitCode, lostAt: isLost && vm.highAvailability ? now : null } : {}),
      },
      now,
    );
    const subject = subjectOf(vm, vm.hostId);
    if (to === 'up' && vm.status === 'starting')
      await tx.events.add('info', 'vm.started', `${vm.name} has started`, subject, now);
    else if (to === 'up' && vm.status === 'unknown')
      await tx.events.add('info', 'vm.found', `${vm.name} runs`, subject, now);
    else if (to === 'unknown') await tx.events.add('warning', 'vm.unknown', `${vm.name}: ${reason}`, subject, now);
    else if (to === 'down') {
      const isExpected = vm.status === 'stopping' || exitCode === 0;
      const text = reason ? `${vm.name} is down: ${reason}` : `${vm.name} has stopped`;
      await tx.events.add(isExpected ? 'info' : 'error', 'vm.down', text, subject, now);
    }
  }
}

const subjectOf = (vm: Vm, hostId: string | null) => ({ vmId: vm.id, clusterId: vm.clusterId, hostId });

const PHASES: Partial<Record<MigrationStatus, MigrationError['phase']>> = {
  preparing: 'prepare',
  precopy: 'perform',
  postcopy: 'finish',
  postcopy_paused: 'finish',
  switchover: 'finish',
};

const errorOf = (
  { code, reason }: Extract<Decision, { action: 'fail_migration' }>,
  status: MigrationStatus,
): MigrationError => ({ code, phase: PHASES[status] ?? 'begin', side: 'controller', message: reason });

export const vmFacts = (vm: Vm): VmFacts => ({
  status: vm.status,
  statusSince: vm.statusSince.getTime(),
  hostId: vm.hostId,
  epoch: vm.epoch,
});

const copyFacts = (report: VmReportRow): CopyFacts => ({
  ...report,
  since: report.since.getTime(),
  seenAt: report.seenAt.getTime(),
});

const hostFacts = (host: Host): HostFacts => ({
  name: host.name,
  status: host.status,
  statusSince: host.statusSince.getTime(),
  lastHeartbeatAt: host.lastHeartbeatAt?.getTime() ?? 0,
});

export const migrationFacts = (migration: Migration): MigrationFacts => ({
  status: migration.status,
  statusSince: migration.statusSince.getTime(),
  createdAt: migration.createdAt.getTime(),
  sourceHostId: migration.sourceHostId,
  destinationHostId: migration.destinationHostId,
  epoch: migration.epoch,
  timeoutSeconds: migration.timeoutSeconds,
  reportedAt: migration.reportedAt?.getTime() ?? null,
});
