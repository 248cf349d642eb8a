/** Which fence agents this machine has. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { type FenceAgentMetadata, parseFenceMetadata } from './fence-metadata.js';
import { PowerError } from './power-control.js';
import { run } from './program.js';

/** Where packages put them. */
const FOLDERS = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/sbin'];
const METADATA_TIMEOUT_MS = 20_000;

/** The agent's path; null if it is not installed. @param name such as fence_ipmilan. */
export function findFenceAgent(name: string, folders: readonly string[] = FOLDERS): string | null {
  if (!/^fence_[a-z0-9_]+$/.test(name)) return null;
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

/** What the agent says of itself. Throws PowerError if it says nothing that can be read. */
export async function readFenceMetadata(path: string): Promise<FenceAgentMetadata> {
  const { stdout, exitCode, stderr } = await run({
    path,
    stdin: 'action=metadata\n',
    timeoutMs: METADATA_TIMEOUT_MS,
  });
  if (exitCode !== 0) throw new PowerError(`${path} does not start: ${stderr.trim().split('\n').at(-1)}`);
  return parseFenceMetadata(stdout);
}

/** Whether this process may run that file. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
