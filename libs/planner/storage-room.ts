/** Room for the disks that a VM takes along: those that only its host has, reckoned at the size that they may grow to. */
import type { HostFacts, LocalDisk, StorageRoom } from './facts.js';

/** What is on its way to a host, by file system: several storage domains may lie on one. */
export class DisksArriving {
  readonly #sizeMiB = new Map<string, number>();

  constructor(private readonly storage: HostFacts['storage']) {}

  /** Adds (or with -1 takes away) the disks of a VM that comes. */
  reserve({ localDisks = [] }: Owner, sign: 1 | -1): void {
    for (const { path, sizeMiB } of localDisks) {
      const room = this.#roomIn(path);
      if (room) this.#sizeMiB.set(room.fileSystem, this.#takenOf(room) + sign * sizeMiB);
    }
  }

  /** The first storage domain that has too little room for the VM's disks; null: none, as far as anybody knows. */
  lacksFor({ localDisks = [] }: Owner): Lack | null {
    if (localDisks.length === 0) return null;
    const needed = new Map<string, number>();
    for (const { storageDomain, path, sizeMiB } of localDisks) {
      const room = this.#roomIn(path);
      if (!room) continue;
      const neededMiB = (needed.get(room.fileSystem) ?? 0) + sizeMiB;
      needed.set(room.fileSystem, neededMiB);
      const freeMiB = Math.max(0, room.freeMiB - this.#takenOf(room));
      if (neededMiB > freeMiB) return { storageDomain, neededMiB, freeMiB };
    }
    return null;
  }

  #roomIn(path: string): StorageRoom | undefined {
    return this.storage?.find((room) => room.path === path);
  }

  #takenOf({ fileSystem }: StorageRoom): number {
    return this.#sizeMiB.get(fileSystem) ?? 0;
  }
}

interface Owner {
  readonly localDisks?: readonly LocalDisk[];
}

export interface Lack {
  readonly storageDomain: string;
  readonly neededMiB: number;
  readonly freeMiB: number;
}

export const sizeOfDisksMiB = ({ localDisks = [] }: Owner): number =>
  localDisks.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0);
