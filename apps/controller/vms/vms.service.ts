import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CreateVm, MigrateVm, PlacementView, StopVm, UpdateVm } from '#contracts';
import { Database, type Migration, type Repositories, type Vm } from '#database';
import { IllegalTransition, VM_TRANSITIONS, allows } from '#lifecycle';
import { checkMove, checkPlacement, chooseDestination, explainPlacement, placeVm } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';
import { Refused } from '../http/problems.js';
import { beginMigration } from '../migrations/lifecycle.js';
import { withPredictions } from '../migrations/predicted-facts.js';
import { Orders, pauseOrder, removeDisksOrder, startOrder, stopOrder } from '../orders.js';
import { disksToMake, hostOfDisks, newDisks } from './disks.js';
import { checkMemory } from './memory.js';
import { newNics } from './nics.js';

type Placement = { readonly hostId: string } | { readonly hostId: null; readonly reason: string };

@Injectable()
export class VmsService {
  constructor(
    private readonly db: Database,
    private readonly orders: Orders,
  ) {}

  /**
   * A VM that finds no host now is created all the same: it is down, and its status reason says why. A host that was
   * asked for by name and cannot take it is a contradiction: Refused, and nothing is created. Throws BadInput for more
   * memory than any host gives a guest.
   */
  async create({ hostId, start, ...definition }: CreateVm, now: Date): Promise<Vm> {
    const vm = await this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.clusters.get(definition.clusterId)).id);
      if (hostId) await tx.hosts.get(hostId);
      if (definition.migrationPolicyId) await tx.migrationPolicies.get(definition.migrationPolicyId);
      await checkMemory(tx, definition);
      const id = randomUUID();
      const nics = newNics(id, definition.nics);
      const disks = await newDisks(tx, definition);
      const created = await tx.vms.create({ ...definition, id, nics, disks, statusReason: '' });
      if (!start) return created;
      const placement = await this.place(tx, created, hostId);
      if (placement.hostId !== null) return this.begin(tx, created, placement.hostId, now);
      if (hostId) throw new Refused(`VM ${created.name} cannot start on the host asked for: ${placement.reason}`);
      await tx.events.add(
        'error',
        'vm.not_placed',
        `${created.name} finds no host: ${placement.reason}`,
        subjectOf(created),
        now,
      );
      return tx.vms.update(created, { statusReason: placement.reason });
    });
    if (vm.status === 'starting') await this.orders.send([startOrder(vm)]);
    return vm;
  }

  /** Who may move it, its labels, and its policy for migrations that begin afterwards. */
  update(id: string, values: UpdateVm): Promise<Vm> {
    return this.db.transaction(async (tx) => {
      const vm = await tx.vms.lock(id);
      if (values.migrationPolicyId) await tx.migrationPolicies.get(values.migrationPolicyId);
      return tx.vms.update(vm, values);
    });
  }

  async start(id: string, hostId: string | null, now: Date): Promise<Vm> {
    const vm = await this.db.transaction(async (tx) => {
      const { clusterId } = await tx.vms.get(id);
      await tx.clusters.lockDecisions(clusterId);
      const stopped = await tx.vms.lock(id);
      // A VM whose host is silent may still run there: starting it elsewhere would make two of it.
      if (stopped.status !== 'down') throw new IllegalTransition(`VM ${stopped.name}`, stopped.status, 'starting');
      if (hostId) await tx.hosts.get(hostId);
      const placement = await this.place(tx, stopped, hostId);
      if (placement.hostId === null) throw new Refused(`VM ${stopped.name} finds no host: ${placement.reason}`);
      return this.begin(tx, stopped, placement.hostId, now);
    });
    await this.orders.send([startOrder(vm)]);
    return vm;
  }

  async stop(id: string, mode: StopVm['mode'], now: Date): Promise<Vm> {
    const vm = await this.db.transaction(async (tx) => {
      const { status, name } = await tx.vms.lock(id);
      if (status === 'down') throw new IllegalTransition(`VM ${name}`, status, 'stopping');
      return tx.vms.changeStatus(id, 'stopping', { statusReason: '' }, now);
    });
    await this.orders.send([stopOrder(vm, mode)]);
    return vm;
  }

  /** The row follows when the host reports it. */
  async pauseOrResume(id: string, kind: 'pause' | 'resume'): Promise<Vm> {
    const vm = await this.db.vms.get(id);
    const [from, to] = kind === 'pause' ? (['up', 'paused'] as const) : (['paused', 'up'] as const);
    if (vm.status !== from || !allows(VM_TRANSITIONS, from, to))
      throw new IllegalTransition(`VM ${vm.name}`, vm.status, to);
    await this.orders.send([pauseOrder(vm, kind)]);
    return vm;
  }

  async migrate(
    id: string,
    { destinationHostId, reason, migrationPolicyId }: MigrateVm,
    now: Date,
  ): Promise<Migration> {
    const { migration, order } = await this.db.transaction(async (tx) => {
      const { clusterId } = await tx.vms.get(id);
      await tx.clusters.lockDecisions(clusterId);
      const vm = await tx.vms.lock(id);
      if (vm.status !== 'up') throw new IllegalTransition(`VM ${vm.name}`, vm.status, 'migrating');
      // What was in the way last time may have gone: a person may have it tried again.
      if (vm.migrationObstacle !== null) await tx.vms.update(vm, { migrationObstacle: null });
      const limits = limitsOf(await tx.clusters.get(clusterId));
      const facts = await tx.facts.ofCluster(clusterId);
      const chosen = destinationHostId ?? this.destinationOf(chooseDestination(facts, id, limits), vm);
      const destination = await tx.hosts.get(chosen);
      if (destinationHostId) {
        const check = checkMove(facts, id, destinationHostId, limits);
        if (!check.ok) throw new Refused(`VM ${vm.name} cannot move to ${destination.name}: ${check.reason}`);
      }
      const source = await tx.hosts.get(vm.hostId!);
      const why = reason ?? 'ordered by the administrator';
      const begun = await beginMigration(
        tx,
        { vm, source, destination, trigger: 'manual', reason: why, planId: null, policyId: migrationPolicyId },
        now,
      );
      return { migration: begun, order: await this.orders.migrateOrder(tx, begun, vm) };
    });
    await this.orders.send([order]);
    return migration;
  }

  /** Why it is where it is: what every host is to it under the cluster's policy. */
  async placement(id: string, now: Date): Promise<PlacementView> {
    const { clusterId, name, hostId } = await this.db.vms.get(id);
    if (hostId === null) throw new Refused(`VM ${name} is down; it has a place once it runs`);
    const cluster = await this.db.clusters.get(clusterId);
    const facts = await withPredictions(this.db, cluster, await this.db.facts.toPlan(clusterId), now);
    const policy = currentPolicy(cluster);
    const found = explainPlacement(facts, id, policy, limitsOf(cluster), now.getTime());
    const names = new Map(facts.hosts.map((host) => [host.id, host.name]));
    const hosts = found.hosts.map((host) => ({
      ...host,
      hostName: names.get(host.hostId) ?? host.hostId,
      broken: [...host.broken],
    }));
    return { ...found, vmId: id, vmName: name, policy: policy.name, hosts };
  }

  async remove(id: string, now: Date): Promise<void> {
    const removed = await this.db.transaction(async (tx) => {
      const vm = await tx.vms.lock(id);
      if (vm.status !== 'down') throw new Refused(`VM ${vm.name} is ${vm.status}; stop it before you delete it`);
      await tx.vms.remove(id);
      await tx.events.add('info', 'vm.deleted', `${vm.name} was deleted`, subjectOf(vm), now);
      return vm;
    });
    const { diskHostId } = removed;
    if (diskHostId) await this.orders.send([removeDisksOrder(removed, diskHostId)]);
  }

  private destinationOf(choice: ReturnType<typeof chooseDestination>, vm: Vm): string {
    if (choice.hostId !== null) return choice.hostId;
    throw new Refused(`VM ${vm.name} cannot move: ${choice.reason}`);
  }

  private async place(tx: Repositories, vm: Vm, hostId: string | null): Promise<Placement> {
    const cluster = await tx.clusters.get(vm.clusterId);
    const schedulingPolicy = currentPolicy(cluster);
    const facts = await tx.facts.toPlan(vm.clusterId);
    const diskHostId = hostOfDisks(vm);
    if (diskHostId && hostId && hostId !== diskHostId) {
      const host = await tx.hosts.find(diskHostId);
      return { hostId: null, reason: `its local disks are on ${host?.name ?? 'a host that was removed'}` };
    }
    const demand = { ...vm, localDisks: disksToMake(vm) };
    const wanted = hostId ?? diskHostId;
    if (!wanted) return placeVm(facts, demand, schedulingPolicy, limitsOf(cluster));
    const check = checkPlacement(facts, demand, wanted, schedulingPolicy, limitsOf(cluster));
    return check.ok ? { hostId: wanted } : { hostId: null, reason: check.reason };
  }

  private begin(tx: Repositories, vm: Vm, hostId: string, now: Date): Promise<Vm> {
    const epoch = vm.lastEpoch + 1;
    const fresh = { consoleTail: '', guest: null, exitCode: null, startedAt: null, statusReason: '', lostAt: null };
    return tx.vms.changeStatus(vm.id, 'starting', { ...fresh, hostId, epoch, lastEpoch: epoch }, now);
  }
}

const subjectOf = (vm: Vm) => ({ vmId: vm.id, clusterId: vm.clusterId });
