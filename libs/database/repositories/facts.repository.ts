import { type EntityManager, In, IsNull, Not } from 'typeorm';
import {
  learntCurve,
  type ClusterFacts,
  driverFor,
  type HostPower as PowerFacts,
  type InFlightMove,
  whyBound,
} from '#planner';
import { withReturns } from '#maintenance';
import { AffinityGroupRow } from '../entities/affinity-group.entity.js';
import { Host } from '../entities/host.entity.js';
import { HostPower } from '../entities/host-power.entity.js';
import { MaintenanceRun } from '../entities/maintenance-run.entity.js';
import { Migration } from '../entities/migration.entity.js';
import { Plan, PlanMove } from '../entities/plan.entity.js';
import { Vm } from '../entities/vm.entity.js';

const millis = (time: Date | null) => time?.getTime() ?? null;

/** What the planner is told about a cluster. */
export class FactsRepository {
  constructor(private readonly manager: EntityManager) {}

  /** With moves that are decided and have yet to begin among those under way. */
  async ofCluster(clusterId: string, now = new Date()): Promise<ClusterFacts> {
    const facts = await this.asItIs(clusterId, now);
    return { ...facts, inFlight: [...facts.inFlight, ...(await this.movesToCome(clusterId))] };
  }

  /** As policies are to see it: VMs that come back after maintenance are on their way, too. */
  async toPlan(clusterId: string, now = new Date()): Promise<ClusterFacts> {
    const runs = await this.manager.getRepository(MaintenanceRun).findBy({ clusterId, phase: 'returning' });
    return withReturns(await this.ofCluster(clusterId, now), runs);
  }

  /** Without those. */
  async asItIs(clusterId: string, now = new Date()): Promise<ClusterFacts> {
    const hosts = await this.manager.getRepository(Host).find({
      where: { clusterId, cpuCores: Not(IsNull()) },
      order: { name: 'ASC' },
    });
    const vms = await this.manager.getRepository(Vm).find({
      where: { clusterId, hostId: Not(IsNull()) },
      order: { name: 'ASC' },
    });
    const powers = await this.manager.getRepository(HostPower).findBy({ hostId: In(hosts.map(({ id }) => id)) });
    const powerOf = new Map(powers.map((power) => [power.hostId, power]));
    const inFlight = await this.manager.getRepository(Migration).find({
      where: { clusterId, status: Not(In(['completed', 'failed', 'cancelled'])) },
    });
    const paused = await this.manager.getRepository(MaintenanceRun).find({
      select: { hostId: true },
      where: { clusterId, phase: 'paused' },
    });
    // A host's load is that of its VMs, so that it is right at once when one of them has moved.
    const loadOf = (of: (vm: Vm) => number | null) => {
      const load = new Map<string, number>();
      for (const vm of vms) load.set(vm.hostId!, (load.get(vm.hostId!) ?? 0) + (of(vm) ?? 0));
      return load;
    };
    const cores = loadOf(({ cpuSmoothedCores }) => cpuSmoothedCores);
    const network = loadOf(({ networkSmoothedMiBps }) => networkSmoothedMiBps);
    const driversOf = new Map(hosts.map(({ id, drivers }) => [id, drivers]));
    return {
      hosts: hosts.map((host) => ({
        id: host.id,
        name: host.name,
        status: host.status,
        labels: host.labels,
        cpuCores: host.cpuCores!,
        memoryMiB: host.memoryMiB!,
        networkMiBps: host.linkMiBps,
        cpuUsedCores: cores.get(host.id) ?? 0,
        networkUsedMiBps: network.get(host.id) ?? 0,
        pressure: host.pressure && { ...host.pressure, stealPercent: host.pressure.stealPercent ?? 0 },
        overUtilizedSinceMs: millis(host.overUtilizedSince),
        drivers: host.drivers,
        isEvacuationPaused: paused.some(({ hostId }) => hostId === host.id),
        hostDevices: host.hostDevices,
        storage: host.storage,
        power: powerFacts(powerOf.get(host.id), now),
      })),
      vms: vms.map((vm) => ({
        id: vm.id,
        name: vm.name,
        hostId: vm.hostId!,
        status: vm.status,
        labels: vm.labels,
        cpuUsedCores: vm.cpuSmoothedCores ?? 0,
        memoryMiB: vm.memoryMiB,
        vcpus: vm.vcpus,
        networkUsedMiBps: vm.networkSmoothedMiBps,
        history: vm.loadHistory,
        prediction: null,
        localDisks: vm.disks.filter(({ kind }) => kind === 'local'),
        memoryUsedMiB: vm.memoryUsedMiB,
        dirtyRateMiBps: vm.dirtyRateMiBps,
        cooldownUntilMs: millis(vm.cooldownUntil),
        hypervisor: vm.hypervisor,
        architecture: vm.architecture,
        runsOn: driverFor(driversOf.get(vm.hostId!) ?? [], vm),
        recentMoves: vm.recentMoves,
        nics: vm.nics,
        immovableReason: whyBound(vm),
        priority: vm.priority,
        isLeftToPeople: vm.placement !== 'migratable',
      })),
      inFlight,
      affinityGroups: await this.manager.getRepository(AffinityGroupRow).find({ where: { clusterId } }),
      forecastCores: null,
    };
  }

  /** Approved moves of plans that are being carried out, in their order. */
  private movesToCome(clusterId: string): Promise<InFlightMove[]> {
    return this.manager
      .createQueryBuilder(PlanMove, 'move')
      .innerJoin(Plan, 'plan', 'plan.id = move.planId')
      .where(`plan.clusterId = :clusterId AND plan.status = 'running' AND move.state = 'approved'`, { clusterId })
      .orderBy('plan.seq')
      .addOrderBy('move.position')
      .getMany();
  }

  /** All hosts and VMs of the cluster, also those that are down: what affinity groups may name. */
  async membersOf(clusterId: string): Promise<Record<'hosts' | 'vms', Pick<Vm, 'id' | 'name' | 'labels'>[]>> {
    const select = { id: true, name: true, labels: true } as const;
    const [hosts, vms] = [Host, Vm].map((entity) =>
      this.manager.getRepository<Host | Vm>(entity).find({ select, where: { clusterId }, order: { name: 'ASC' } }),
    );
    return { hosts: await hosts!, vms: await vms! };
  }
}

const YEAR_MS = 365.25 * 86_400_000;

const powerFacts = (power: HostPower | undefined, now: Date): PowerFacts | null =>
  power
    ? {
        wattsAt: power.wattsAt ?? learntCurve(power.wattsSamples),
        wakeUp: !power.management ? 'none' : power.provenAt ? 'proven' : 'unproven',
        bootSeconds: power.bootSeconds,
        isParked: power.isParked,
        sinceMs: power.powerSince.getTime(),
        ageYears: power.inServiceSince ? (now.getTime() - Date.parse(power.inServiceSince)) / YEAR_MS : null,
      }
    : null;
