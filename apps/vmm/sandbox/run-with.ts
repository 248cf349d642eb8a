/** `-run-with user=`: from when everything is open, this process is another user. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { UsageError } from '../usage-error.js';

/** As QEMU takes it: a user's name, or numbers. */
export interface RunWith {
  /** For messages. */
  readonly text: string;
  readonly uid: number;
  /** Its only group. */
  readonly gid: number;
}

/** Reads `user=NAME` or `user=UID:GID`. `passwd`: the content of /etc/passwd. Throws a UsageError. */
export function parseRunWith(text: string, passwd = readFileSync('/etc/passwd', 'utf8')): RunWith {
  const [, user] = /^user=([^,]+)$/.exec(text) ?? [];
  if (user === undefined) throw new UsageError(`-run-with ${text}: give user=NAME or user=UID:GID`);
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(user) ?? [];
  if (uid !== undefined) return { text: user, uid: Number(uid), gid: Number(gid) };
  const entry = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === user);
  if (!entry) throw new UsageError(`-run-with user=${user}: there is no such user`);
  return { text: user, uid: Number(entry[2]), gid: Number(entry[3]) };
}

/**
 * Becomes that user, for good and in all threads. Throws a UsageError if this process may not, or if the user cannot
 * read `files`, which are opened again later on.
 */
export function become({ text, uid, gid }: RunWith, files: readonly string[]): void {
  try {
    process.setgroups!([]);
    process.setgid!(gid);
    process.setuid!(uid);
  } catch (error) {
    throw new UsageError(`-run-with user=${text}: ${(error as Error).message}; only root may become another user`);
  }
  for (const file of files) {
    try {
      accessSync(file, constants.R_OK);
    } catch {
      throw new UsageError(`-run-with user=${text}: this user cannot read ${file}, which is needed later on`);
    }
  }
}
