import type { EntityManager } from 'typeorm';
import { Setting } from '../entities/setting.entity.js';

/** Values that hold for the whole installation. */
export class SettingRepository {
  constructor(private readonly manager: EntityManager) {}

  /** Null if it has never been set. */
  async find(name: string): Promise<unknown> {
    return (await this.manager.getRepository(Setting).findOneBy({ name }))?.value ?? null;
  }

  /** Sets what nobody has set yet. Of several controllers that do so at once one wins: returns what is there then. */
  async findOrAdd(name: string, value: object): Promise<unknown> {
    await this.manager.createQueryBuilder().insert().into(Setting).values({ name, value }).orIgnore().execute();
    return this.find(name);
  }
}
