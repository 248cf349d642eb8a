/** Files that name a process beyond doubt: by its id and its start time, since ids are used again. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Start time in clock ticks since boot (proc(5), stat field 22); undefined if it has ended or is a zombie. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function writePidFile(file: string, pid: number): void {
  writeFileSync(file, `${pid} ${startTimeOf(pid) ?? ''}`);
}

/** Id of the process that the file names, if it still runs. */
export function readPidFile(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const [pid, startTime] = readFileSync(file, 'utf8').split(' ');
  return startTime && startTimeOf(Number(pid)) === startTime ? Number(pid) : undefined;
}
