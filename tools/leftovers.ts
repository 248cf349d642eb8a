/** What a run of the tests leaves behind: processes that still have to do with its folder of temporary files. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** Null where the process has ended meanwhile, or is not ours to look at. */
function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}

interface Stat {
  /** 0: none. */
  readonly terminal: number;
  /** In ticks since the machine began. */
  readonly startedAt: number;
}

/** Fields 7 and 22 of /proc/PID/stat, proc(5); the second one is a name in brackets that may hold anything. */
function statOf(pid: string | number): Stat | null {
  const stat = orNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = stat
    ?.slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return fields ? { terminal: fields[4]!, startedAt: fields[19]! } : null;
}

/** Not started before this process, nor by somebody who looks at the folder from a terminal of his own. */
function mayBeOurs(pid: string): boolean {
  const [own, other] = [statOf(process.pid)!, statOf(pid)];
  if (!other || other.startedAt < own.startedAt) return false;
  return other.terminal === 0 || other.terminal === own.terminal;
}

/** Processes begun after this one that have something of that folder in their arguments, or work in it. */
export function processesOf(folder: string): Leftover[] {
  const pids = readdirSync('/proc').filter(
    (entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid && mayBeOurs(entry),
  );
  return pids.flatMap((pid) => {
    const command = orNull(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()) ?? '';
    const place = orNull(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '';
    return command.includes(`${folder}/`) || `${place}/`.startsWith(`${folder}/`)
      ? [{ pid: Number(pid), command }]
      : [];
  });
}

/** Ends them at once, and tells which they were. */
export function endProcessesOf(folder: string): Leftover[] {
  const found = processesOf(folder);
  for (const { pid } of found) orNull(() => process.kill(pid, 'SIGKILL'));
  return found;
}
