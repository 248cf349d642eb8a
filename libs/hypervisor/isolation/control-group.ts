/** Limits of a VM's process by control groups (cgroups(7)), version 2 or 1, in a group of Drover's own. */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const MOUNT = '/sys/fs/cgroup';
const OWN = 'drover';
const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;
type Controller = (typeof CONTROLLERS)[number];
const PERIOD_US = 100_000;
const MIB = 2 ** 20;

export interface GroupLimits {
  readonly memoryBytes: number;
  readonly cpuCores: number;
  readonly threads: number;
}

/**
 * What a VM may take. Memory beside its RAM: Node.js and the migration's buffers, and for each hart the code that it has
 * decoded and translated. CPU: its harts, and one core for devices, migration and translation. Threads: harts, and those
 * of Node.js.
 */
export const limitsOf = ({ memoryMiB, vcpus }: { memoryMiB: number; vcpus: number }): GroupLimits => ({
  memoryBytes: (memoryMiB + 384 + 96 * vcpus) * MIB,
  cpuCores: vcpus + 1,
  threads: 64 + 8 * vcpus,
});

/** By version: the files of each controller that hold the limits. */
const LIMITS: Readonly<
  Record<1 | 2, (limits: GroupLimits) => Record<Controller, (readonly [string, string | number])[]>>
> = {
  1: ({ memoryBytes, cpuCores, threads }: GroupLimits) => ({
    memory: [['memory.limit_in_bytes', memoryBytes]],
    cpu: [
      ['cpu.cfs_period_us', PERIOD_US],
      ['cpu.cfs_quota_us', cpuCores * PERIOD_US],
    ],
    pids: [['pids.max', threads]],
  }),
  2: ({ memoryBytes, cpuCores, threads }: GroupLimits) => ({
    memory: [['memory.max', memoryBytes]],
    cpu: [['cpu.max', `${cpuCores * PERIOD_US} ${PERIOD_US}`]],
    pids: [['pids.max', threads]],
  }),
};

export class ControlGroups {
  private constructor(
    private readonly version: 1 | 2,
    /** Drover's group for each controller; for version 2 the same for all. */
    private readonly folders: Readonly<Record<Controller, string>>,
  ) {}

  /** Throws an Error that says why there can be none here. */
  static open(mount = MOUNT): ControlGroups {
    const isVersion2 = existsSync(join(mount, 'cgroup.controllers'));
    const folderOf = (controller: string) => (isVersion2 ? join(mount, OWN) : join(mount, controller, OWN));
    const folders = { memory: folderOf('memory'), cpu: folderOf('cpu'), pids: folderOf('pids') };
    if (!isVersion2 && !existsSync(join(mount, 'memory'))) throw new Error(`there are no control groups at ${mount}`);
    for (const folder of Object.values(folders)) {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
    }
    if (isVersion2) {
      const enable = CONTROLLERS.map((controller) => `+${controller}`).join(' ');
      for (const folder of [mount, folders.memory]) writeFileSync(join(folder, 'cgroup.subtree_control'), enable);
    }
    return new ControlGroups(isVersion2 ? 2 : 1, folders);
  }

  /** Makes the group of a VM; returns the files into which its process writes itself. Throws if a limit cannot be set. */
  create(name: string, limits: GroupLimits): string[] {
    for (const [controller, files] of Object.entries(LIMITS[this.version](limits))) {
      const folder = join(this.folders[controller as Controller], name);
      mkdirSync(folder, { recursive: true });
      for (const [file, value] of files) writeFileSync(join(folder, file), String(value));
    }
    return this.groupsOf(name).map((folder) => join(folder, 'cgroup.procs'));
  }

  /** Removes a VM's group if nothing is in it any more. */
  remove(name: string): void {
    for (const folder of this.groupsOf(name)) {
      try {
        rmdirSync(folder);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' && code !== 'EBUSY') throw error; // gone, or its process has not yet
      }
    }
  }

  /** Removes the groups that earlier processes have left: those whose name begins so, and that are empty. */
  sweep(prefix: string): void {
    for (const name of readdirSync(this.folders.memory)) {
      const isEmpty = () => readFileSync(join(this.folders.memory, name, 'cgroup.procs'), 'utf8') === '';
      if (name.startsWith(prefix) && isEmpty()) this.remove(name);
    }
  }

  private groupsOf(name: string): string[] {
    return [...new Set(Object.values(this.folders))].map((folder) => join(folder, name));
  }
}
