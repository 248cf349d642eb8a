/** Keeps a second agent out of an agent's folder: two of them would start every VM twice. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config.js';
import { parseProcessStat } from '../host/proc.js';
import { writeAtomically } from './json-store.js';

/** Writes this process's id into the folder. Throws ConfigError if the agent whose id is there still runs. */
export function lockFolder(dir: string): void {
  const file = join(dir, 'agent.pid');
  const known = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [pid] = known.split(' ');
  if (known && pid !== String(process.pid) && known === identify(Number(pid)))
    throw new ConfigError(`DROVER_AGENT_DIR: the agent of process ${pid} uses ${dir}; end it, or name another folder.`);
  writeAtomically(file, identify(process.pid)!);
}

/** Process id and start time, which tells it from a later process of the same id; null if there is none. */
function identify(pid: number): string | null {
  try {
    return `${pid} ${parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).startTime}`;
  } catch {
    return null; // it has ended
  }
}
