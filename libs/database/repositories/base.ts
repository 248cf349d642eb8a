import { type EntityManager, type EntityTarget, In, type ObjectLiteral } from 'typeorm';
import { NotFound } from '../errors.js';

/** Anything with an id. */
export abstract class BaseRepository<T extends ObjectLiteral & { id: string }> {
  constructor(
    protected readonly manager: EntityManager,
    private readonly entity: EntityTarget<T>,
    private readonly noun: string,
  ) {}

  protected get rows() {
    return this.manager.getRepository<T>(this.entity);
  }

  find(id: string): Promise<T | null> {
    return this.rows.findOneBy({ id } as never);
  }

  /** Throws NotFound. */
  async get(id: string): Promise<T> {
    return this.orNotFound(await this.find(id), id);
  }

  byIds(ids: readonly string[]): Promise<T[]> {
    return ids.length === 0 ? Promise.resolve([]) : this.rows.findBy({ id: In(ids) } as never);
  }

  /**
   * Locks the row until the transaction ends, for all but those who only refer to it by a foreign key. Throws NotFound.
   * Order of locks, so that no two transactions wait for each other: cluster, host, VMs by id, migration.
   */
  async lock(id: string): Promise<T> {
    const row = await this.rows.findOne({ where: { id } as never, lock: { mode: 'for_no_key_update' } });
    return this.orNotFound(row, id);
  }

  /** Locks rows in the order of their ids. */
  lockAll(ids: readonly string[]): Promise<T[]> {
    if (ids.length === 0) return Promise.resolve([]);
    const where = { id: In(ids) } as never;
    return this.rows.find({ where, order: { id: 'ASC' } as never, lock: { mode: 'for_no_key_update' } });
  }

  protected orNotFound(row: T | null, id: string): T {
    if (!row) throw new NotFound(this.noun, id);
    return row;
  }
}
