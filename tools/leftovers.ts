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

/** Processes, this one apart, that have something of that folder in their arguments, or work in it. */
export function processesOf(folder: string): Leftover[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
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
