/** The destination's half of a migration's disks: which it sees already, and files for the content of the others. */
import { randomBytes } from 'node:crypto';
import type { Disk, PreparedIncoming, PrepareIncoming } from '#contracts';
import type { TlsCredentials, VmProcess } from '#hypervisor';
import type { DiskFiles } from '../vms/disk-files.js';
import { VmRefusal } from '../vms/vm-refusal.js';

const SECRET_BYTES = 24;

/** Disks of the VM that are not on this host yet. Throws VmRefusal if one should be, by its storage domain's kind. */
export function unseenDisks(files: DiskFiles, { vmId, spec, disks }: PrepareIncoming): Disk[] {
  return spec.disks.filter((disk) => {
    const told = disks.find(({ name }) => name === disk.name);
    if (told && files.seesToken(vmId, disk, told.token)) return false;
    if (disk.kind === 'local') return true;
    throw new VmRefusal(
      'storage_not_shared',
      `storage domain ${disk.storageDomain}: this host does not see in ${disk.path} what the source sees there`,
    );
  });
}

/** Makes a file for each. Throws VmRefusal; then none of them is left. */
export async function makeRoom(
  files: DiskFiles,
  { vmId, disks }: PrepareIncoming,
  unseen: readonly Disk[],
): Promise<void> {
  const made: Disk[] = [];
  try {
    for (const disk of unseen) {
      await files.makeEmpty(vmId, disk, disks.find(({ name }) => name === disk.name)?.allocatedMiB ?? disk.sizeMiB);
      made.push(disk);
    }
  } catch (error) {
    await files.remove(vmId, made);
    throw error;
  }
}

type Exports = NonNullable<PreparedIncoming['nbd']>['exports'];

/** Has the process that waits for the VM take the disks' content, under names that nobody can guess; null: there are none. */
export async function exportDisks(
  process: VmProcess,
  bind: string,
  unseen: readonly Disk[],
  tls: TlsCredentials | null,
): Promise<{ readonly port: number; readonly exports: Exports } | null> {
  if (unseen.length === 0) return null;
  const exports = unseen.map(({ name }) => ({ disk: name, name: randomBytes(SECRET_BYTES).toString('base64url') }));
  return { port: await process.exportDisks(bind, exports, tls), exports };
}
