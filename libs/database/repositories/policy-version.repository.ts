import { isDeepStrictEqual } from 'node:util';
import type { EntityManager } from 'typeorm';
import { PolicyVersion } from '../entities/policy-version.entity.js';

interface Change<P> {
  /** Null: it is new. */
  readonly before: P | null;
  readonly after: P;
  readonly changedBy: string;
}

/** Who made it what it was before anybody was noted down. */
const NOT_NOTED = 'not noted';

export class PolicyVersionRepository {
  constructor(private readonly manager: EntityManager) {}

  /** The newest first. */
  of(subjectId: string): Promise<PolicyVersion[]> {
    return this.rows.find({ where: { subjectId }, order: { version: 'DESC' } });
  }

  /** One more version, unless nothing has changed. The caller has locked the row that the versions are about. */
  async add<P>(subjectId: string, { before, after, changedBy }: Change<P>, now: Date): Promise<void> {
    if (before !== null && isDeepStrictEqual(before, after)) return;
    let version = await this.rows.maximum('version', { subjectId });
    if (version === null && before !== null) {
      version = 1;
      await this.rows.insert({ subjectId, version, policy: before as object, changedBy: NOT_NOTED, changedAt: now });
    }
    const next = (version ?? 0) + 1;
    await this.rows.insert({ subjectId, version: next, policy: after as object, changedBy, changedAt: now });
  }

  private get rows() {
    return this.manager.getRepository(PolicyVersion);
  }
}
