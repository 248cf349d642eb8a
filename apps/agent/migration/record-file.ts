import type { JsonStore } from '../state/json-store.js';
import type { MigrationRecord } from './migration-record.js';

/** The record of one migration: always read anew, since others change it meanwhile. */
export class RecordFile {
  constructor(
    private readonly store: JsonStore<MigrationRecord>,
    private readonly migrationId: string,
  ) {}

  /** Throws if it has been forgotten. */
  get now(): MigrationRecord {
    const record = this.store.get(this.migrationId);
    if (!record) throw new Error(`migration ${this.migrationId} has been forgotten`);
    return record;
  }

  get hasEnded(): boolean {
    return (this.store.get(this.migrationId)?.phase ?? 'ended') === 'ended';
  }

  /** On disk, too. */
  update(change: Partial<MigrationRecord>): void {
    this.store.put(this.migrationId, { ...this.now, ...change });
  }

  /** In memory alone: for figures that a restart may lose. */
  remember(change: Partial<MigrationRecord>): void {
    this.store.remember(this.migrationId, { ...this.now, ...change });
  }
}
