import { type EntityManager, In, IsNull, Not } from 'typeorm';
import { type ClusterFacts, driverFor } from '#planner';
import { Host } from '../entities/host.entity.js';
import { Migration } from '../entities/migration.entity.js';
import { Vm } from '../entities/vm.entity.js';

const millis = (time: Date | null) => time?.getTime() ?? null;

/** What the planner is told about a cluster. */
export class FactsRepository {
  constructor(private readonly manager: EntityManager) {}

  async ofCluster(clusterId: string): Promise<ClusterFacts> {
    const hosts = await this.manager.getRepository(Host).find({
      where: { clusterId, cpuCores: Not(IsNull()) },
      order: { name: 'ASC' },
    });
    const vms = await this.manager.getRepository(Vm).find({
      where: { clusterId, hostId: Not(IsNull()) },
      order: { name: 'ASC' },
    });
    const inFlight = await this.manager.getRepository(Migration).find({
      where: { clusterId, status: Not(In(['completed', 'failed', 'cancelled'])) },
    });
    // A host's load is that of its VMs, so that it is right at once when one of them has moved.
    const load = new Map<string, number>();
    for (const { hostId, cpuSmoothedCores } of vms)
      load.set(hostId!, (load.get(hostId!) ?? 0) + (cpuSmoothedCores ?? 0));
    const driversOf = new Map(hosts.map(({ id, drivers }) => [id, drivers]));
    return {
      hosts: hosts.map((host) => ({
        id: host.id,
        name: host.name,
        status: host.status,
        cpuCores: host.cpuCores!,
        memoryMiB: host.memoryMiB!,
        cpuUsedCores: load.get(host.id) ?? 0,
        overUtilizedSinceMs: millis(host.overUtilizedSince),
        drivers: host.drivers,
      })),
      vms: vms.map((vm) => ({
        id: vm.id,
        name: vm.name,
        hostId: vm.hostId!,
        status: vm.status,
        cpuUsedCores: vm.cpuSmoothedCores ?? 0,
        memoryMiB: vm.memoryMiB,
        vcpus: vm.vcpus,
        cooldownUntilMs: millis(vm.cooldownUntil),
        hypervisor: vm.hypervisor,
        architecture: vm.architecture,
        runsOn: driverFor(driversOf.get(vm.hostId!) ?? [], vm),
        immovableReason: null, // devices passed through and the like do not exist yet
      })),
      inFlight,
    };
  }
}
