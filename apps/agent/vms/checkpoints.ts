/** Memory of VMs that have left this host, kept for their return within a limit; the oldest goes first. */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointReport } from '#contracts';
import { checkpointFile } from '#hypervisor';
import type { Log } from '../log.js';

const MIB = 2 ** 20;

export class Checkpoints {
  /** `folder`: with a folder for each VM. */
  constructor(
    private readonly folder: string,
    private readonly log: Log,
  ) {}

  /** Those that are complete. */
  list(): CheckpointReport[] {
    const vmIds = readdirSync(this.folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return vmIds.flatMap(({ name: vmId }) => {
      const stat = lstatSync(this.pathOf(vmId), { throwIfNoEntry: false });
      if (!stat?.isFile()) return [];
      return [{ vmId, sizeMiB: Math.ceil(stat.size / MIB), writtenAt: stat.mtime.toISOString() }];
    });
  }

  /** The file; null if nothing of that VM is kept. */
  find(vmId: string): string | null {
    const path = this.pathOf(vmId);
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ? path : null;
  }

  /** Nothing if there is none. `why`: for the log. */
  remove(vmId: string, why: string): void {
    const path = this.pathOf(vmId);
    if (this.find(vmId)) this.log.info({ vmId }, `checkpoint removed: ${why}`);
    for (const file of [path, `${path}.new`]) rmSync(file, { force: true });
  }

  /** Removes the oldest ones until the others fit. */
  keepWithin(limitMiB: number): void {
    for (const vmId of beyond(this.list(), limitMiB)) this.remove(vmId, `this host keeps ${limitMiB} MiB of them`);
  }

  private pathOf(vmId: string): string {
    return checkpointFile(join(this.folder, vmId));
  }
}

/** The VMs whose checkpoints do not fit, if the newest are kept: pure. */
export function beyond(checkpoints: readonly CheckpointReport[], limitMiB: number): string[] {
  const newestFirst = checkpoints.toSorted((a, b) => Date.parse(b.writtenAt) - Date.parse(a.writtenAt));
  let usedMiB = 0;
  const kept = newestFirst.filter(({ sizeMiB }) => {
    usedMiB += sizeMiB;
    return usedMiB <= limitMiB;
  });
  return newestFirst.slice(kept.length).map(({ vmId }) => vmId);
}
