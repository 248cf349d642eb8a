import { type EntityManager, IsNull, LessThan } from 'typeorm';
import { IdempotencyKey } from '../entities/idempotency-key.entity.js';

/** A request that has not ended by then died with its controller. */
const ABANDONED_AFTER_MS = 60_000;

/** POSTs that carried an Idempotency-Key. */
export class IdempotencyRepository {
  constructor(private readonly manager: EntityManager) {}

  private get rows() {
    return this.manager.getRepository(IdempotencyKey);
  }

  /** Takes the key: null if it is ours now, or the row of whoever came first. */
  async begin(key: string, requestSha256: string, now: Date): Promise<IdempotencyKey | null> {
    const abandoned = LessThan(new Date(now.getTime() - ABANDONED_AFTER_MS));
    await this.rows.delete({ key, status: IsNull(), createdAt: abandoned });
    const taken = await this.rows
      .createQueryBuilder()
      .insert()
      .values({ key, requestSha256, createdAt: now })
      .orIgnore()
      .returning('key')
      .execute();
    if ((taken.raw as unknown[]).length > 0) return null;
    return this.rows.findOneBy({ key });
  }

  async finish(key: string, status: number, responseEncrypted: Buffer): Promise<void> {
    await this.rows.update({ key }, { status, responseEncrypted });
  }

  /** Gives the key back: the request had no effect, so it may be tried again. */
  async abandon(key: string): Promise<void> {
    await this.rows.delete({ key });
  }

  async removeOlderThan(time: Date): Promise<void> {
    await this.rows.delete({ createdAt: LessThan(time) });
  }
}
