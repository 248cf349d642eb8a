/** Files of VMs' disks on this host, in the folders of their storage domains. */
import { constants, existsSync, rmSync } from 'node:fs';
import { chmod, copyFile, mkdir, rename, rm, rmdir, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Disk } from '#contracts';
import { VmRefusal } from './vm-refusal.js';

const MIB = 2 ** 20;
const BLOCK_BYTES = 512;

export class DiskFiles {
  /** `dir`: the agent's folder; `images`: where disks' first content is looked for. */
  constructor(
    private readonly dir: string,
    private readonly images: readonly string[],
  ) {}

  pathOf(vmId: string, disk: Disk): string {
    return join(this.domainOf(disk), vmId, `${disk.name}.raw`);
  }

  /** Before a VM starts: all its disks are there. `mayMake`: those that are not are made. Throws VmRefusal. */
  async provide(vmId: string, disks: readonly Disk[], mayMake: boolean): Promise<void> {
    for (const disk of disks) {
      const path = this.pathOf(vmId, disk);
      if (existsSync(path)) continue;
      if (!mayMake) throw new VmRefusal('disk_missing', `disk ${disk.name} should be ${path}, and is not there`);
      await this.make(path, disk);
    }
  }

  /** An empty disk that a migration fills. Throws VmRefusal if there is one already, or no room. */
  async makeEmpty(vmId: string, disk: Disk, allocatedMiB: number): Promise<void> {
    const path = this.pathOf(vmId, disk);
    if (existsSync(path)) {
      throw new VmRefusal(
        'disk_exists',
        `disk ${disk.name}: there is a file ${path} already; remove it if nobody needs it`,
      );
    }
    await this.openFolder(path, disk);
    const { bavail, bsize } = await statfs(dirname(path));
    const freeMiB = Math.floor((bavail * bsize) / MIB);
    if (allocatedMiB > freeMiB) {
      const there = `storage domain ${disk.storageDomain} has ${freeMiB} MiB left on this host`;
      throw new VmRefusal('capacity', `disk ${disk.name} takes ${allocatedMiB} MiB, ${there}`);
    }
    await this.make(path, { ...disk, sourceImage: null });
  }

  /** Whether the file of any of them is on this host itself. */
  areHere(vmId: string, disks: readonly Disk[]): boolean {
    return disks.some((disk) => disk.kind === 'local' && existsSync(this.pathOf(vmId, disk)));
  }

  async allocatedMiB(vmId: string, disk: Disk): Promise<number> {
    return Math.ceil(((await stat(this.pathOf(vmId, disk))).blocks * BLOCK_BYTES) / MIB);
  }

  /** Puts a file beside the disk whose name nobody can guess: who sees it, sees the disk. */
  async putToken(vmId: string, disk: Disk, token: string): Promise<void> {
    await writeFile(this.tokenOf(vmId, disk, token), '', { mode: 0o600 });
  }

  removeToken(vmId: string, disk: Disk, token: string): void {
    rmSync(this.tokenOf(vmId, disk, token), { force: true });
  }

  seesToken(vmId: string, disk: Disk, token: string): boolean {
    return existsSync(this.tokenOf(vmId, disk, token));
  }

  /** Nothing if they are not there. */
  async remove(vmId: string, disks: readonly Disk[]): Promise<void> {
    for (const disk of disks) {
      const path = this.pathOf(vmId, disk);
      await rm(path, { force: true });
      await rmdir(dirname(path)).catch(() => undefined); // another disk, or nothing at all, is in it
    }
  }

  private domainOf({ path }: Disk): string {
    return resolve(this.dir, path);
  }

  private tokenOf(vmId: string, disk: Disk, token: string): string {
    return join(dirname(this.pathOf(vmId, disk)), `.${token}`);
  }

  /** Whole or not at all. */
  private async make(path: string, disk: Disk): Promise<void> {
    const { name, sizeMiB, sourceImage } = disk;
    await this.openFolder(path, disk);
    const unfinished = `${path}.new`;
    await rm(unfinished, { force: true });
    if (sourceImage === null) await writeFile(unfinished, '', { mode: 0o600 });
    else {
      const image = this.images.map((folder) => join(folder, `${sourceImage}.img`)).find((file) => existsSync(file));
      if (image === undefined) {
        const places = this.images.join(', ');
        throw new VmRefusal(
          'image_missing',
          `disk ${name}: there is no ${sourceImage}.img on this host (looked in ${places})`,
        );
      }
      const neededMiB = Math.ceil((await stat(image)).size / MIB);
      if (neededMiB > sizeMiB) {
        throw new VmRefusal(
          'disk_too_small',
          `disk ${name} has ${sizeMiB} MiB, but ${sourceImage}.img needs ${neededMiB}`,
        );
      }
      await copyFile(image, unfinished, constants.COPYFILE_FICLONE);
      await chmod(unfinished, 0o600);
    }
    await truncate(unfinished, sizeMiB * MIB);
    await rename(unfinished, path);
  }

  /** What hosts share has to be there: an empty folder would only look like it. */
  private async openFolder(path: string, disk: Disk): Promise<void> {
    const domain = this.domainOf(disk);
    if (disk.kind === 'shared' && !existsSync(domain)) {
      throw new VmRefusal(
        'storage_missing',
        `storage domain ${disk.storageDomain}: there is no folder ${domain} on this host`,
      );
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  }
}
