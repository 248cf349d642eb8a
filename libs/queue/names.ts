/** What queues, schemas and prefixes are called, and what makes two orders the same order. */
import type { HostJob } from '#contracts';

/** PostgreSQL schema of all queues; the controller's own tables are in another one. */
export const QUEUE_SCHEMA = 'queue';
/** First part of every Redis key of a queue. */
export const QUEUE_PREFIX = 'drover';

/** A host's queue. The role (PostgreSQL) or user (Redis) of its agent has the same name. */
export const queueName = (hostId: string): string => `host-${hostId}`;

/** Two orders with the same identity are one: the second is dropped while the first waits or is being carried out. */
export function identityOf(job: HostJob): string {
  switch (job.kind) {
    case 'migrate':
      return `migrate/${job.migrationId}`;
    case 'command':
      return `command/${job.runId}`;
    case 'stop':
      return `stop/${job.vmId}/${job.epoch}/${job.mode}`;
    default:
      return `${job.kind}/${job.vmId}/${job.epoch}`;
  }
}
