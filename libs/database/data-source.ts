import { DataSource } from 'typeorm';
import { Init1790000000000 } from '../../migrations/1790000000000-init.js';
import { Networks1790000100000 } from '../../migrations/1790000100000-networks.js';
import { Guest1790000200000 } from '../../migrations/1790000200000-guest.js';
import { Isolation1790000300000 } from '../../migrations/1790000300000-isolation.js';
import { Storage1790000400000 } from '../../migrations/1790000400000-storage.js';
import { Drivers1790000600000 } from '../../migrations/1790000600000-drivers.js';
import { Convergence1790000700000 } from '../../migrations/1790000700000-convergence.js';
import { History1790000800000 } from '../../migrations/1790000800000-history.js';
import { Checkpoints1790001600000 } from '../../migrations/1790001600000-checkpoints.js';
import { Maintenance1790001000000 } from '../../migrations/1790001000000-maintenance.js';
import { Fencing1790020050000 } from '../../migrations/1790020050000-fencing.js';
import { LearntPower1790020000000 } from '../../migrations/1790020000000-learnt-power.js';
import { Links1790001800000 } from '../../migrations/1790001800000-links.js';
import { Passage1790001700000 } from '../../migrations/1790001700000-passage.js';
import { HostDevices1790001600001 } from '../../migrations/1790001600001-host-devices.js';
import { Scheduling1790010000000 } from '../../migrations/1790010000000-scheduling.js';
import { Affinity1790010100000 } from '../../migrations/1790010100000-affinity.js';
import { HostStorage1790021000000 } from '../../migrations/1790021000000-host-storage.js';
import { PresetCache1790021100000 } from '../../migrations/1790021100000-preset-cache.js';
import { HeartbeatOrder1790020200000 } from '../../migrations/1790020200000-heartbeat-order.js';
import { NetworkUse1790022000000 } from '../../migrations/1790022000000-network-use.js';
import { SkippedHosts1790023000000 } from '../../migrations/1790023000000-skipped-hosts.js';
import { FencedHosts1790023100000 } from '../../migrations/1790023100000-fenced-hosts.js';
import { Power1790001200000 } from '../../migrations/1790001200000-power.js';
import { Energy1790001300000 } from '../../migrations/1790001300000-energy.js';
import { PlanMoves1790001400000 } from '../../migrations/1790001400000-plan-moves.js';
import { PlanHostActions1790001310000 } from '../../migrations/1790001310000-plan-host-actions.js';
import { PolicyVersions1790001500000 } from '../../migrations/1790001500000-policy-versions.js';
import { ENTITIES } from './entities/index.js';
import { PostgresNaming } from './naming.js';

/** Everything of the controller is in this schema, and agents cannot enter it. */
export const SCHEMA = 'drover';

interface Options {
  readonly url: string;
  /** Connections at most; a few do for hundreds of hosts, since no query waits for anything but the database. */
  readonly poolSize?: number;
  /** Lost idle connections, which the pool replaces by itself. */
  readonly onError: (error: Error) => void;
}

/** Connects and brings the schema up to date. Rejects if the database cannot be reached. */
export async function openDataSource({ url, poolSize = 10, onError }: Options): Promise<DataSource> {
  const db = new DataSource({
    type: 'postgres',
    url,
    schema: SCHEMA,
    entities: ENTITIES,
    migrations: [
      Init1790000000000,
      Networks1790000100000,
      Guest1790000200000,
      Isolation1790000300000,
      Storage1790000400000,
      Drivers1790000600000,
      Convergence1790000700000,
      History1790000800000,
      Checkpoints1790001600000,
      Maintenance1790001000000,
      Passage1790001700000,
      HostDevices1790001600001,
      Links1790001800000,
      Scheduling1790010000000,
      Affinity1790010100000,
      HeartbeatOrder1790020200000,
      HostStorage1790021000000,
      PresetCache1790021100000,
      NetworkUse1790022000000,
      Power1790001200000,
      Energy1790001300000,
      PlanHostActions1790001310000,
      PlanMoves1790001400000,
      PolicyVersions1790001500000,
      LearntPower1790020000000,
      Fencing1790020050000,
      SkippedHosts1790023000000,
      FencedHosts1790023100000,
    ],
    namingStrategy: new PostgresNaming(),
    migrationsTransactionMode: 'all',
    poolSize,
    applicationName: 'drover-controller',
    connectTimeoutMS: 5000,
    poolErrorHandler: onError,
    extra: { options: `-c search_path=${SCHEMA}`, statement_timeout: 30_000 },
  });
  await db.initialize();
  try {
    await upgrade(db);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

/** Several controllers may start at once; one of them does the work. */
async function upgrade(db: DataSource): Promise<void> {
  const lock = db.createQueryRunner();
  try {
    await lock.query(`SELECT pg_advisory_lock(hashtext('drover:upgrade'))`);
    await lock.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
    await db.runMigrations();
  } finally {
    await lock.query(`SELECT pg_advisory_unlock(hashtext('drover:upgrade'))`);
    await lock.release();
  }
}
