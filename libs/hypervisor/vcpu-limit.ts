/**
 * A limit to the CPU time of a VM's vCPUs, and of nothing else in its process: their threads go into a control group of
 * their own below the process's (cgroups(7)). Version 1, or a threaded group of version 2.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MOUNT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;

interface Group {
  readonly version: 1 | 2;
  /** Of the process, and below it that of its vCPUs. */
  readonly home: string;
  readonly own: string;
}

/** The group of a process, by /proc/PID/cgroup; null if this host's CPU controller cannot be used for it. */
function groupOf(pid: number, mount: string): Group | null {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const fields = lines.map((line) => /^(\d+):([^:]*):(.*)$/.exec(line)).filter((match) => match !== null);
  const isVersion2 = existsSync(join(mount, 'cgroup.controllers'));
  const entry = fields.find(([, id, controllers]) =>
    isVersion2 ? id === '0' : controllers!.split(',').includes('cpu'),
  );
  if (!entry) return null;
  const home = isVersion2 ? join(mount, entry[3]!) : join(mount, 'cpu', entry[3]!);
  return { version: isVersion2 ? 2 : 1, home, own: join(home, `drover-vcpus-${pid}`) };
}

export class VcpuLimit {
  constructor(private readonly mount = MOUNT) {}

  /** Whether a limit can be set for this process: tried, and undone. */
  isPossible(pid: number): boolean {
    try {
      const group = groupOf(pid, this.mount);
      if (!group || existsSync(group.own)) return group !== null;
      this.make(group);
      rmdirSync(group.own);
      return true;
    } catch {
      return false; // not mounted, or not ours to write
    }
  }

  /** Leaves `cores` to those threads together. Throws an Error that says why not. */
  set(pid: number, threadIds: readonly number[], cores: number): void {
    const group = groupOf(pid, this.mount);
    if (!group) throw new Error(`there is no control group of the CPU for process ${pid}`);
    if (!existsSync(group.own)) this.make(group);
    const quotaUs = Math.max(1000, Math.round(cores * PERIOD_US));
    if (group.version === 2) writeFileSync(join(group.own, 'cpu.max'), `${quotaUs} ${PERIOD_US}`);
    else writeFileSync(join(group.own, 'cpu.cfs_quota_us'), String(quotaUs));
    this.move(group, threadIds, group.own);
  }

  /** Takes it back; does nothing if there is none, or if the process has ended. */
  lift(pid: number, threadIds: readonly number[]): void {
    const group = existsSync(`/proc/${pid}/cgroup`) ? groupOf(pid, this.mount) : null;
    if (!group || !existsSync(group.own)) return;
    this.move(group, threadIds, group.home);
    rmdirSync(group.own);
  }

  private make({ version, home, own }: Group): void {
    mkdirSync(own);
    if (version === 1) return;
    writeFileSync(join(own, 'cgroup.type'), 'threaded');
    writeFileSync(join(home, 'cgroup.subtree_control'), '+cpu');
  }

  private move({ version }: Group, threadIds: readonly number[], to: string): void {
    for (const id of threadIds) {
      try {
        writeFileSync(join(to, version === 2 ? 'cgroup.threads' : 'tasks'), String(id));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended
      }
    }
  }
}
