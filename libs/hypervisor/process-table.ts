/** Finding processes, and telling one from a later one with the same id (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs';

/** Start time in clock ticks since boot, or null if there is no such process (a zombie counts as none). */
export function startTimeOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null; // it has ended
  }
  // The name is in parentheses and may contain anything: fields follow the last one, from field 3 (state) on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

export const isAlive = ({ pid, startTime }: { pid: number; startTime: string }): boolean =>
  startTimeOf(pid) === startTime;

/** Process ids whose command line has `argument` as one of its words. */
export function pidsWithArgument(argument: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
      } catch {
        return false; // it ended meanwhile
      }
    });
}
