/** Programs of the machine that only some tests need. */
import { spawnSync } from 'node:child_process';

/** True if the program can be run; says on the console what is skipped if not. */
export function isInstalled(program: string, whatIsSkipped: string): boolean {
  const found = spawnSync(program, ['--version']).status === 0;
  if (!found) console.warn(`skipped: ${whatIsSkipped}, because ${program} is not installed`);
  return found;
}
