/** Programs and files of the machine that only some tests need. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** True if the program can be run; says on the console what is skipped if not. */
export function isInstalled(program: string, whatIsSkipped: string, versionOption = '--version'): boolean {
  const found = spawnSync(program, [versionOption]).status === 0;
  if (!found) console.warn(`skipped: ${whatIsSkipped}, because ${program} is not installed`);
  return found;
}

/** The first of the files that there is; says on the console what is skipped without. */
export function installedFile(files: readonly string[], whatIsSkipped: string): string | undefined {
  const found = files.find((file) => existsSync(file));
  if (!found) console.warn(`skipped: ${whatIsSkipped}, because there is no ${files.join(' or ')}`);
  return found;
}
