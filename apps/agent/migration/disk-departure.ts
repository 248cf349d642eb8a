/** The source's half of a migration's disks: tokens that show which ones the destination sees, and mirrors of the others. */
import type { Disk, PrepareIncoming } from '#contracts';
import type { MirrorFigures } from '#hypervisor';
import type { DiskFiles } from '../vms/disk-files.js';
import type { MigrationRecord } from './migration-record.js';

/** How far the copies of a VM's disks are. `ready`: as good as equal, and kept so; also if there is nothing to copy. */
export type DiskState =
  { readonly status: 'ready' | 'idle' | 'running' } | { readonly status: 'failed'; readonly message: string };

/** Puts the tokens beside the disks; what the destination is asked then. */
export async function showTokens(
  files: DiskFiles,
  { vmId, order, tokens }: MigrationRecord,
): Promise<PrepareIncoming['disks']> {
  return await Promise.all(
    order.spec.disks.map(async (disk) => {
      const { token } = tokens.find((each) => each.disk === disk.name)!;
      await files.putToken(vmId, disk, token);
      return { name: disk.name, token, allocatedMiB: await files.allocatedMiB(vmId, disk) };
    }),
  );
}

export function removeTokens(files: DiskFiles, { vmId, order, tokens }: MigrationRecord): void {
  for (const disk of order.spec.disks) {
    const token = tokens.find((each) => each.disk === disk.name)?.token;
    if (token !== undefined) files.removeToken(vmId, disk, token);
  }
}

/** The disks that are copied, and so are of no use here once the VM has left. */
export const copiedDisks = ({ order, nbd }: MigrationRecord): Disk[] =>
  order.spec.disks.filter(({ name }) => nbd?.exports.some(({ disk }) => disk === name));

/** What the process says of the mirrors, of which none may be missing once they have been begun. */
export function diskState(record: MigrationRecord, mirrors: readonly MirrorFigures[]): DiskState {
  const copied = copiedDisks(record);
  if (copied.length === 0) return { status: 'ready' };
  if (!record.mirroring) return { status: 'idle' };
  const { failure } = record.mirroring;
  if (failure !== null) return { status: 'failed', message: `no disk can be copied: ${failure}` };
  for (const { name } of copied) {
    const mirror = mirrors.find(({ disk }) => disk === name);
    if (!mirror) return { status: 'failed', message: `the copy of disk ${name} has ended` };
    if (mirror.error !== null) return { status: 'failed', message: `disk ${name} was not copied: ${mirror.error}` };
  }
  return { status: mirrors.every(({ isReady }) => isReady) ? 'ready' : 'running' };
}

export const diskFigures = (mirrors: readonly MirrorFigures[]) => ({
  transferredBytes: mirrors.reduce((sum, { transferredBytes }) => sum + transferredBytes, 0),
  remainingBytes: mirrors.reduce((sum, { remainingBytes }) => sum + remainingBytes, 0),
});
