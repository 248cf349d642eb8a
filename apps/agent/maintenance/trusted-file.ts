/** Which files an agent runs for others: executables that nobody else can change. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const OTHERS_WRITE = 0o022;

/** What is wrong with it, and what to do; null if it may be run. */
export async function whyNotRun(path: string): Promise<string | null> {
  const owner = process.getuid?.() ?? 0;
  for (const each of [dirname(path), path]) {
    const found = await stat(each).catch(() => null);
    if (!found) return `there is no ${each} on this host; put it there`;
    if ((found.mode & OTHERS_WRITE) !== 0) return `${each} can be written by others than its owner; chmod go-w it`;
    if (found.uid !== 0 && found.uid !== owner) return `${each} belongs to neither root nor the agent's user; chown it`;
    if (each === path && !found.isFile()) return `${each} is no file; put an executable there`;
    if (each === path && (found.mode & 0o111) === 0) return `${each} is not executable; chmod +x it`;
  }
  return null;
}
