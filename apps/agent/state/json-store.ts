/** Records on disk, one JSON file each, that a crash at any moment leaves either old or new but never torn. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ZodType } from 'zod';

/** Replaces `file` by `text` (write, fsync, rename); only the owner can read it. */
export function writeAtomically(file: string, text: string): void {
  const temporary = join(dirname(file), `.${basename(file)}.new`);
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  syncFolder(dirname(file));
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export class JsonStore<T> {
  private readonly records = new Map<string, T>();

  private constructor(private readonly folder: string) {}

  /** Reads what is there. A record that cannot be read is set aside as NAME.damaged and handed to `onDamage`. */
  static open<T>(folder: string, schema: ZodType<T>, onDamage: (file: string, reason: string) => void): JsonStore<T> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const store = new JsonStore<T>(folder);
    for (const name of readdirSync(folder).filter((entry) => /^[^.].*\.json$/.test(entry))) {
      const file = join(folder, name);
      try {
        store.records.set(name.slice(0, -'.json'.length), schema.parse(JSON.parse(readFileSync(file, 'utf8'))));
      } catch (error) {
        renameSync(file, `${file}.damaged`);
        onDamage(`${file}.damaged`, error instanceof Error ? error.message : String(error));
      }
    }
    return store;
  }

  get(id: string): T | undefined {
    return this.records.get(id);
  }

  all(): T[] {
    return [...this.records.values()];
  }

  put(id: string, record: T): void {
    writeAtomically(join(this.folder, `${id}.json`), JSON.stringify(record, null, 2));
    this.records.set(id, record);
  }

  /** Keeps a newer version in memory alone: for figures that a restart may lose. */
  remember(id: string, record: T): void {
    this.records.set(id, record);
  }

  remove(id: string): void {
    rmSync(join(this.folder, `${id}.json`), { force: true });
    syncFolder(this.folder);
    this.records.delete(id);
  }
}
