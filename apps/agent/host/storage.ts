/** How much is free in the folders of storage domains on this host. */
import { stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { StorageRoom } from '#contracts';
import type { Log } from '../log.js';

const MIB = 2 ** 20;
/** A full disk is known soon enough. */
const INTERVAL_MS = 5_000;

/** Of a folder that is not there yet, that in which it would be made. */
async function roomIn(dir: string, path: string): Promise<StorageRoom> {
  for (let folder = resolve(dir, path); ; folder = dirname(folder)) {
    try {
      const [{ bavail, bsize }, { dev }] = await Promise.all([statfs(folder), stat(folder)]);
      return { path, fileSystem: String(dev), freeMiB: Math.floor((bavail * bsize) / MIB) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder === dirname(folder)) throw error;
    }
  }
}

/** Looks now and then, beside the heartbeats: a file system that hangs must not hold these up. */
export class StorageWatch {
  private paths: readonly string[] = [];
  private room: readonly StorageRoom[] = [];
  private isLooking = false;
  private lookedAtMs = -Infinity;

  /** `dir`: the agent's folder, in which paths lie that are not absolute. */
  constructor(
    private readonly dir: string,
    private readonly log: Log,
  ) {}

  /** Those of the cluster's local storage domains, as the controller says. */
  watch(paths: readonly string[]): void {
    if (paths.join(':') !== this.paths.join(':')) this.lookedAtMs = -Infinity;
    this.paths = [...paths];
  }

  /** As it was seen last. Looks again when it is time. */
  known(nowMs: number): StorageRoom[] {
    if (!this.isLooking && nowMs - this.lookedAtMs >= INTERVAL_MS) void this.look(nowMs);
    return this.room.filter(({ path }) => this.paths.includes(path));
  }

  private async look(nowMs: number): Promise<void> {
    this.isLooking = true;
    this.lookedAtMs = nowMs;
    const looks = this.paths.map((path) =>
      roomIn(this.dir, path).catch((error: Error) => {
        this.log.debug({ path }, `the room in a storage domain cannot be told: ${error.message}`);
        return null;
      }),
    );
    this.room = (await Promise.all(looks)).filter((room) => room !== null);
    this.isLooking = false;
  }
}
