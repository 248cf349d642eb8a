import { type EntityManager, In, LessThan, MoreThan } from 'typeorm';
import type { EventQuery, Page, Severity } from '#contracts';
import { Event } from '../entities/event.entity.js';
import { page } from '../paging.js';

/** What an event is about. */
export type EventSubject = Partial<Pick<Event, 'clusterId' | 'hostId' | 'vmId' | 'migrationId' | 'planId'>>;

export class EventRepository {
  constructor(private readonly manager: EntityManager) {}

  private get rows() {
    return this.manager.getRepository(Event);
  }

  async add(severity: Severity, type: string, message: string, subject: EventSubject, at: Date): Promise<void> {
    await this.rows.insert({ severity, type, message, at, ...subject });
  }

  page({ severity, type, clusterId, hostId, vmId, migrationId, ...paging }: EventQuery): Promise<Page<Event>> {
    const query = this.rows.createQueryBuilder('row');
    const equal = { severity, type, clusterId, hostId, vmId, migrationId };
    for (const [column, value] of Object.entries(equal))
      if (value !== undefined) query.andWhere(`row.${column} = :${column}`, { [column]: value });
    return page(query, paging, { by: 'id', direction: 'DESC' });
  }

  /** All of one migration, oldest first. */
  ofMigration(migrationId: string): Promise<Event[]> {
    return this.rows.find({ where: { migrationId }, order: { id: 'ASC' } });
  }

  byIds(ids: readonly string[]): Promise<Event[]> {
    return this.rows.find({ where: { id: In(ids) }, order: { id: 'ASC' } });
  }

  /** The events that followed `id`, oldest first, `limit` at most. */
  after(id: string, limit: number): Promise<Event[]> {
    return this.rows.find({ where: { id: MoreThan(id) }, order: { id: 'ASC' }, take: limit });
  }

  async removeOlderThan(time: Date): Promise<void> {
    await this.rows.delete({ at: LessThan(time) });
  }
}
