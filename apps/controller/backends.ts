import { AgentRoles, ChangeFeed, Database, openDataSource } from '#database';
import { chooseQueueServer, HostQueues, QUEUE_SCHEMA, RedisAccess } from '#queue';
import { type AgentAccess, PostgresAgentAccess, RedisAgentAccess } from './agents/agent-access.js';
import type { Config } from './config.js';
import { ConfigError } from './config-error.js';
import type { Log } from './log.js';

/** The servers that the controller stands on, connected. */
export interface Backends {
  readonly database: Database;
  readonly queues: HostQueues;
  readonly access: AgentAccess;
  readonly feed: ChangeFeed;
  close(): Promise<void>;
}

/** Connects to database and queues, in that order. Throws ConfigError if one of them cannot be reached. */
export async function openBackends({ databaseUrl, redisUrl }: Config, log: Log): Promise<Backends> {
  const onError = (server: string) => (error: Error) => log.warn({ err: error }, `${server}: connection lost`);
  const closing: (() => unknown)[] = [];
  const close = async () => {
    for (const end of closing.toReversed()) await end();
  };
  try {
    const source = await openDataSource({ url: databaseUrl, onError: onError('PostgreSQL') }).catch(
      explain('DATABASE_URL'),
    );
    closing.push(() => source.destroy());
    const database = new Database(source);

    const feed = new ChangeFeed(databaseUrl);
    feed.on('error', onError('PostgreSQL'));
    await feed.open().catch(explain('DATABASE_URL'));
    closing.push(() => feed.close());

    const server = chooseQueueServer(databaseUrl, redisUrl);
    const variable = redisUrl ? 'REDIS_URL' : 'DATABASE_URL';
    const queues = await HostQueues.open(server, onError('queue')).catch(explain(variable));
    closing.push(() => queues.close());

    if (server.backend === 'postgres') {
      const roles = new AgentRoles(source, QUEUE_SCHEMA);
      await roles.protect();
      return { database, queues, feed, access: new PostgresAgentAccess(databaseUrl, roles), close };
    }
    const users: RedisAccess = new RedisAccess(server.url, () => grantAll(database, users), onError('Redis'));
    closing.push(() => users.close());
    return { database, queues, feed, access: new RedisAgentAccess(server.url, users), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Redis does not keep its users: it gets them again whenever the connection begins anew. */
async function grantAll(database: Database, users: RedisAccess): Promise<void> {
  for (const { hostId, queuePasswordSha256 } of await database.credentials.enrolled())
    await users.grant(hostId, queuePasswordSha256!);
}

const explain =
  (variable: string) =>
  (error: Error & { code?: string }): never => {
    const where = variable === 'REDIS_URL' ? 'Redis' : 'PostgreSQL';
    const cause = error.message || error.code || String(error);
    throw new ConfigError(
      `the ${where} that ${variable} names does not let the controller in (${cause}); start it, or correct ${variable}.`,
    );
  };
