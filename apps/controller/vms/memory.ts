/** How much memory a new VM may have: what some host of its cluster gives a guest. */
import { LEAST_MAX_MEMORY_MIB, maxMemoryMiBOf, type CreateVm } from '#contracts';
import type { Repositories } from '#database';
import { driverFor } from '#planner';
import { BadInput } from '../http/problems.js';

type Machine = Pick<CreateVm, 'clusterId' | 'hypervisor' | 'architecture' | 'memoryMiB'>;

/** Throws BadInput if none of the hosts that are up would ever take it. */
export async function checkMemory(tx: Repositories, { clusterId, memoryMiB, ...kind }: Machine): Promise<void> {
  if (kind.hypervisor === 'qemu' || memoryMiB <= LEAST_MAX_MEMORY_MIB) return;
  const hosts = await tx.hosts.withStatus(clusterId, 'up');
  const drivers = hosts.flatMap((host) => driverFor(host.drivers, kind) ?? []);
  const mostMiB = Math.max(LEAST_MAX_MEMORY_MIB, ...drivers.map(maxMemoryMiBOf));
  if (memoryMiB <= mostMiB) return;
  const remedy = 'choose at most that, hypervisor qemu, or a cluster with a host that gives more (Node.js 24 or newer)';
  const message = `the hosts of the cluster that are up give a guest up to ${mostMiB} MiB; ${remedy}`;
  throw new BadInput([{ field: 'memoryMiB', message }]);
}
