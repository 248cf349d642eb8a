/** Guest images by name, in the folders that the host has for them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What a guest starts from. */
export interface GuestImage {
  readonly kernel: string;
  /** Initial RAM disk. */
  readonly initrd?: string;
}

/** IMAGE.elf, or a folder IMAGE with `kernel` and perhaps `initrd`, in the first folder that has it; else undefined. */
export function findImage(folders: readonly string[], image: string): GuestImage | undefined {
  for (const folder of folders) {
    const program = join(folder, `${image}.elf`);
    if (existsSync(program)) return { kernel: program };
    const [kernel, initrd] = [join(folder, image, 'kernel'), join(folder, image, 'initrd')];
    if (existsSync(kernel)) return existsSync(initrd) ? { kernel, initrd } : { kernel };
  }
  return undefined;
}
