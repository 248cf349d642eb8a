import { readFile } from 'node:fs/promises';
import { parseProcessStat, residentMiB } from '../../host/proc.js';

/** Memory that a VM's process has in MiB: more than that is not in its guest's. Rejects if there is no such process. */
export async function residentMiBOf(pid: number): Promise<number> {
  return residentMiB(parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8')));
}
