/** Disks of VMs: where they are decides where a VM can start. */
import type { CreateVm, Disk } from '#contracts';
import type { Repositories, Vm } from '#database';
import { Refused } from '../http/problems.js';

/** The disks of a new VM. Throws NotFound or Refused; the caller holds the cluster's lock. */
export async function newDisks(
  tx: Repositories,
  { clusterId, disks }: Pick<CreateVm, 'clusterId' | 'disks'>,
): Promise<Disk[]> {
  const made: Disk[] = [];
  for (const [index, { name = `disk-${index + 1}`, storageDomainId, sizeMiB, sourceImage }] of disks.entries()) {
    const domain = await tx.storageDomains.get(storageDomainId);
    if (domain.clusterId !== clusterId) throw new Refused(`storage domain ${domain.name} is of another cluster`);
    if (made.some((other) => other.name === name)) throw new Refused(`two disks are called ${name}: name them apart`);
    const { kind, path } = domain;
    made.push({ name, sizeMiB, storageDomainId, storageDomain: domain.name, kind, path, sourceImage });
  }
  return made;
}

/** Disks that its first start makes on its host. */
export const disksToMake = ({ disks, hasDisks }: Vm): Disk[] =>
  hasDisks ? [] : disks.filter(({ kind }) => kind === 'local');

/** The one host where the VM can start, because its local disks are there; null: any. */
export const hostOfDisks = ({ disks, hasDisks, diskHostId }: Vm): string | null =>
  hasDisks && disks.some(({ kind }) => kind === 'local') ? diskHostId : null;
