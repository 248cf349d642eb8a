import type { QueueAccess } from '#contracts';
import type { AgentRoles } from '#database';
import { QUEUE_PREFIX, QUEUE_SCHEMA, queueName, type RedisAccess } from '#queue';
import { sha256 } from '../auth/secrets.js';

/** Lets an agent into its own host's queue, and nowhere else. */
export abstract class AgentAccess {
  abstract grant(hostId: string, password: string): Promise<void>;
  abstract revoke(hostId: string): Promise<void>;
  /** What the agent needs to know. */
  abstract describe(hostId: string, password: string): QueueAccess;
}

function asUser(address: string, user: string, password: string): string {
  const url = new URL(address);
  url.username = user;
  url.password = password;
  return url.href;
}

/** A role of its own, limited by row-level policies. */
export class PostgresAgentAccess extends AgentAccess {
  constructor(
    private readonly url: string,
    private readonly roles: AgentRoles,
  ) {
    super();
  }

  grant(hostId: string, password: string): Promise<void> {
    return this.roles.grant(queueName(hostId), password);
  }

  revoke(hostId: string): Promise<void> {
    return this.roles.revoke(queueName(hostId));
  }

  describe(hostId: string, password: string): QueueAccess {
    const queue = queueName(hostId);
    return { backend: 'postgres', url: asUser(this.url, queue, password), schema: QUEUE_SCHEMA, queue };
  }
}

/** An ACL user of its own, limited to its queue's keys. */
export class RedisAgentAccess extends AgentAccess {
  constructor(
    private readonly url: string,
    private readonly access: RedisAccess,
  ) {
    super();
  }

  grant(hostId: string, password: string): Promise<void> {
    return this.access.grant(hostId, sha256(password));
  }

  revoke(hostId: string): Promise<void> {
    return this.access.revoke(hostId);
  }

  describe(hostId: string, password: string): QueueAccess {
    const queue = queueName(hostId);
    return { backend: 'redis', url: asUser(this.url, queue, password), prefix: QUEUE_PREFIX, queue };
  }
}
