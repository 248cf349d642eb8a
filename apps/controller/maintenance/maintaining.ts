import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { MaintenanceProcedure, type MaintenanceVm, type Severity } from '#contracts';
import { Database, type MaintenanceRun, type Repositories } from '#database';
import { IllegalTransition } from '#lifecycle';
import { decideMaintenance, type MaintenanceStep, newVm } from '#maintenance';
import { activateHost, deactivateHost } from '../hosts/maintenance.js';
import { Refused } from '../http/problems.js';
import { type Log, LOG } from '../log.js';
import { beginMigration } from '../migrations/lifecycle.js';
import { type Order, Orders, stopOrder } from '../orders.js';
import { orderPower } from '../power/operations.js';
import { VmsService } from '../vms/vms.service.js';
import { expectMoves } from './expectation.js';
import { maintenanceFacts } from './facts.js';

/** What comes after the transaction. */
interface Afterwards {
  readonly orders: Order[];
  readonly starts: Start[];
}

/** A VM that was stopped for a host's maintenance, and is to run there again. */
interface Start {
  readonly runId: string;
  readonly vmId: string;
  readonly hostId: string;
}

/** What is noted of a run's VM. */
type Marks = Pick<MaintenanceVm, 'state' | 'reason'>;

type Step<A extends MaintenanceStep['action']> = Extract<MaintenanceStep, { action: A }>;

/** Asks what a cluster's maintenance needs now, and does it. All it must remember is in the rows of the runs. */
@Injectable()
export class Maintaining {
  private decidingSince: Date | null = null;

  constructor(
    private readonly db: Database,
    private readonly orders: Orders,
    private readonly vms: VmsService,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** One turn for one cluster. */
  async turn(clusterId: string, now: Date): Promise<void> {
    const decidingSince = (this.decidingSince ??= now);
    const { orders, starts } = await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      const afterwards: Afterwards = { orders: [], starts: [] };
      const found = await maintenanceFacts(tx, await tx.clusters.get(clusterId), now, decidingSince);
      if (!found) return afterwards;
      const steps = decideMaintenance(found.facts, now.getTime());
      const runs = new Map(found.runs.map((run) => [run.id, run]));
      // Heartbeats lock their host, then its VMs: whoever locks several does so in that order.
      await tx.hosts.lockAll(steps.flatMap((step) => ('runId' in step ? [runs.get(step.runId)!.hostId] : [])));
      await tx.vms.lockAll(steps.flatMap((step) => ('vmId' in step ? [step.vmId] : [])));
      for (const step of steps) {
        if (step.action !== 'note') this.log.info({ clusterId, ...step }, 'maintenance');
        await this.perform(tx, step, runs, afterwards, clusterId, now);
      }
      return afterwards;
    });
    await this.orders.send(orders);
    for (const start of starts) await this.start(clusterId, start, now);
  }

  /** The one place where decisions become effects. */
  private async perform(
    tx: Repositories,
    step: MaintenanceStep,
    runs: ReadonlyMap<string, MaintenanceRun>,
    afterwards: Afterwards,
    clusterId: string,
    now: Date,
  ): Promise<void> {
    if (step.action === 'begin') return this.begin(tx, step, clusterId, now);
    const run = runs.get(step.runId)!;
    switch (step.action) {
      case 'change_phase':
        return changePhase(tx, run, step, now);
      case 'note':
        return tx.maintenance.update(run.id, {
          phaseReason: step.reason,
          heldSince: step.isHeld ? (run.heldSince ?? now) : null,
        });
      case 'move_vm':
        return this.move(tx, run, step, afterwards, now);
      case 'stop_vm': {
        const vm = await tx.vms.changeStatus(step.vmId, 'stopping', { statusReason: step.reason }, now);
        afterwards.orders.push(stopOrder(vm, 'shutdown'));
        return mark(tx, run, step.vmId, { state: 'stopped', reason: step.reason });
      }
      case 'start_vm':
        // Marked once it has begun (see start): whoever ends before that begins anew.
        afterwards.starts.push({ runId: run.id, vmId: step.vmId, hostId: run.hostId });
        return;
      case 'leave_vm':
        return mark(tx, run, step.vmId, { state: 'stayed', reason: step.reason });
      case 'act':
        return this.act(tx, run, afterwards, now);
      case 'look':
        return tx.hosts.update(run.hostId, { healthWanted: true });
    }
  }

  /** A command goes into the host's queue, again and again until it is heard of; power is switched by the power loop. */
  private async act(tx: Repositories, run: MaintenanceRun, { orders }: Afterwards, now: Date): Promise<void> {
    const { action } = run.procedure;
    const { id: runId, hostId } = run;
    if (action.kind === 'command') {
      const { name, arguments: args, timeoutSeconds, restarts } = action;
      orders.push({ hostId, job: { kind: 'command', runId, name, arguments: args, timeoutSeconds, restarts } });
    } else if (action.kind === 'power_cycle') {
      const command = await beginPowerCycle(tx, run, now);
      await tx.maintenance.update(runId, { command });
    }
  }

  private async begin(tx: Repositories, step: Step<'begin'>, clusterId: string, now: Date): Promise<void> {
    const policy = await tx.maintenancePolicies.get(step.policyId);
    const rolloutId = randomUUID();
    for (const { hostId, hostName, group, reason } of step.hosts) {
      const values = {
        clusterId,
        hostId,
        hostName,
        reason,
        rolloutId,
        policyId: policy.id,
        policyName: policy.name,
        policyVersion: policy.version,
        trigger: step.trigger,
        groupNumber: group,
        hostsAtOnce: policy.definition.hostsAtOnce,
        waitsForWindow: step.waitsForWindow,
        windowStartsAt: step.windowStartsMs === null ? null : new Date(step.windowStartsMs),
        windowEndsAt: step.windowEndsMs === null ? null : new Date(step.windowEndsMs),
        procedure: MaintenanceProcedure.parse(policy.definition),
        vms: [],
      };
      await tx.maintenance.create(values, 'waits for its turn', now);
      const text = `${hostName} is due for maintenance by ${policy.name}: ${reason}`;
      await tx.events.add('info', 'maintenance.due', text, { clusterId, hostId }, now);
    }
  }

  private async move(
    tx: Repositories,
    run: MaintenanceRun,
    { vmId, destinationHostId, reason }: Step<'move_vm'>,
    afterwards: Afterwards,
    now: Date,
  ): Promise<void> {
    const vm = await tx.vms.get(vmId);
    if (vm.status !== 'up' || vm.hostId === null) return; // a heartbeat came between facts and lock
    const source = await tx.hosts.get(vm.hostId);
    const destination = await tx.hosts.get(destinationHostId);
    const migration = await beginMigration(
      tx,
      { vm, source, destination, trigger: 'maintenance', reason, planId: null },
      now,
    );
    afterwards.orders.push(await this.orders.migrateOrder(tx, migration, vm));
    if (destinationHostId === run.hostId) await mark(tx, run, vmId, { state: 'coming_back', reason });
  }

  /**
   * A VM that was stopped for maintenance; it has a transaction of its own. It is started once: one that is down again
   * before the next turn stays so. If the controller ends before that is noted, the VM's own row tells what was done.
   */
  private async start(clusterId: string, start: Start, now: Date): Promise<void> {
    const outcome = await this.tryToStart(start, now);
    if (!outcome) return;
    await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions(clusterId);
      const run = await tx.maintenance.lock(start.runId);
      const { state } = run.vms.find(({ vmId }) => vmId === start.vmId)!;
      if (state === 'stopped') await mark(tx, run, start.vmId, outcome);
    });
  }

  /** Null: it is still being stopped, and is tried again in the next turn. */
  private async tryToStart({ runId, vmId, hostId }: Start, now: Date): Promise<Marks | null> {
    try {
      await this.vms.start(vmId, hostId, now);
      return { state: 'coming_back', reason: 'it is started again' };
    } catch (error) {
      if (error instanceof IllegalTransition) return null;
      this.log.warn({ err: error, runId, vmId }, 'a VM that was stopped for maintenance does not start');
      return { state: 'stayed', reason: (error as Error).message };
    }
  }
}

/** Host and run in one moment, and an event for those who watch. */
export async function changePhase(
  tx: Repositories,
  run: MaintenanceRun,
  { to, reason, host, endsAs }: Pick<Step<'change_phase'>, 'to' | 'reason' | 'host' | 'endsAs'>,
  now: Date,
): Promise<void> {
  if (host === 'deactivate') await deactivateHost(tx, run.hostId, run.reason, now);
  if (host === 'activate') {
    const { status } = await tx.hosts.lock(run.hostId);
    if (status === 'maintenance' || status === 'preparing_for_maintenance') await activateHost(tx, run.hostId, now);
  }
  const vms = to === 'evacuating' && run.startedAt === null ? await vmsToLeave(tx, run) : run.vms;
  await tx.maintenance.changePhase(run.id, to, reason, { vms, ...(endsAs && { endsAs }) }, now);
  if (to === 'checking') await tx.hosts.update(run.hostId, { healthWanted: true });
  const subject = { clusterId: run.clusterId, hostId: run.hostId };
  const text = `maintenance of ${run.hostName}, ${to.replace('_', ' ')}: ${reason}`;
  await tx.events.add(SEVERITY[to] ?? 'info', `maintenance.${to}`, text, subject, now);
}

const SEVERITY: Partial<Record<MaintenanceRun['phase'], Severity>> = {
  failed: 'error',
  skipped: 'warning',
  cancelled: 'warning',
};

/** All that run on the host, with what was chosen for them before. */
async function vmsToLeave(tx: Repositories, run: MaintenanceRun): Promise<MaintenanceVm[]> {
  const here = await tx.vms.onHost(run.hostId);
  const expected = await expectMoves(tx, run.hostId, here);
  return here.map((vm) => ({
    ...newVm(vm),
    expectedSeconds: expected.get(vm.id)?.seconds ?? null,
    choice: run.vms.find(({ vmId }) => vmId === vm.id)?.choice ?? null,
  }));
}

async function mark(tx: Repositories, run: MaintenanceRun, vmId: string, values: Marks): Promise<void> {
  run.vms = run.vms.map((vm) => (vm.vmId === vmId ? { ...vm, ...values } : vm));
  await tx.maintenance.update(run.id, { vms: run.vms });
}

/** What is refused now would be refused again: it ends the run. */
async function beginPowerCycle(tx: Repositories, run: MaintenanceRun, now: Date): Promise<MaintenanceRun['command']> {
  try {
    await orderPower(tx, run.hostId, { kind: 'cycle', reason: run.reason, statusAfter: 'maintenance' }, now);
    return { status: 'running', exitCode: null, output: '' };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { status: 'failed', exitCode: null, output: error.message };
  }
}
