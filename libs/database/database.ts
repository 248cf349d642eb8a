import type { DataSource, EntityManager } from 'typeorm';
import { explainConstraint, isTransient } from './errors.js';
import { AffinityRepository } from './repositories/affinity.repository.js';
import { ClusterLoadRepository } from './repositories/cluster-load.repository.js';
import { ClusterRepository, MigrationPolicyRepository } from './repositories/cluster.repository.js';
import { CredentialRepository } from './repositories/credential.repository.js';
import { EnergyRepository } from './repositories/energy.repository.js';
import { EventRepository } from './repositories/event.repository.js';
import { FactsRepository } from './repositories/facts.repository.js';
import { HostPowerRepository } from './repositories/host-power.repository.js';
import { HostRepository } from './repositories/host.repository.js';
import { IdempotencyRepository } from './repositories/idempotency.repository.js';
import { MaintenanceRepository } from './repositories/maintenance.repository.js';
import { MaintenancePolicyRepository } from './repositories/maintenance-policy.repository.js';
import { MigrationRepository } from './repositories/migration.repository.js';
import { PlanRepository } from './repositories/plan.repository.js';
import { PolicyVersionRepository } from './repositories/policy-version.repository.js';
import { ReportRepository } from './repositories/report.repository.js';
import { StorageDomainRepository } from './repositories/storage-domain.repository.js';
import { SettingRepository } from './repositories/setting.repository.js';
import { VmRepository } from './repositories/vm.repository.js';

/** All repositories, in one transaction or in none. */
export class Repositories {
  readonly clusters: ClusterRepository;
  readonly migrationPolicies: MigrationPolicyRepository;
  readonly hosts: HostRepository;
  readonly hostPower: HostPowerRepository;
  readonly clusterLoads: ClusterLoadRepository;
  readonly energy: EnergyRepository;
  readonly credentials: CredentialRepository;
  readonly storageDomains: StorageDomainRepository;
  readonly vms: VmRepository;
  readonly reports: ReportRepository;
  readonly migrations: MigrationRepository;
  readonly maintenance: MaintenanceRepository;
  readonly maintenancePolicies: MaintenancePolicyRepository;
  readonly plans: PlanRepository;
  readonly policyVersions: PolicyVersionRepository;
  readonly events: EventRepository;
  readonly idempotencyKeys: IdempotencyRepository;
  readonly facts: FactsRepository;
  readonly affinity: AffinityRepository;
  readonly settings: SettingRepository;

  constructor(manager: EntityManager) {
    this.clusters = new ClusterRepository(manager);
    this.migrationPolicies = new MigrationPolicyRepository(manager);
    this.hosts = new HostRepository(manager);
    this.hostPower = new HostPowerRepository(manager);
    this.clusterLoads = new ClusterLoadRepository(manager);
    this.energy = new EnergyRepository(manager);
    this.credentials = new CredentialRepository(manager);
    this.storageDomains = new StorageDomainRepository(manager);
    this.vms = new VmRepository(manager);
    this.reports = new ReportRepository(manager);
    this.migrations = new MigrationRepository(manager);
    this.maintenance = new MaintenanceRepository(manager);
    this.maintenancePolicies = new MaintenancePolicyRepository(manager);
    this.plans = new PlanRepository(manager);
    this.policyVersions = new PolicyVersionRepository(manager);
    this.events = new EventRepository(manager);
    this.idempotencyKeys = new IdempotencyRepository(manager);
    this.facts = new FactsRepository(manager);
    this.affinity = new AffinityRepository(manager);
    this.settings = new SettingRepository(manager);
  }
}

const ATTEMPTS = 3;

export class Database extends Repositories {
  constructor(private readonly db: DataSource) {
    super(db.manager);
  }

  /**
   * All of `work`, or nothing of it. `work` may run again if another transaction was in the way, so it does nothing
   * outside the database. A violated constraint throws Conflict.
   */
  async transaction<T>(work: (repositories: Repositories) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.db.transaction((manager) => work(new Repositories(manager)));
      } catch (error) {
        if (attempt === ATTEMPTS || !isTransient(error)) throw explainConstraint(error);
      }
    }
  }

  /**
   * Runs `work` unless it runs already under this name, in whatever controller; false: it does. The name is free again
   * as soon as the work has ended, or its controller. Holds a connection meanwhile.
   */
  async exclusively(name: string, work: () => Promise<void>): Promise<boolean> {
    const session = this.db.createQueryRunner();
    try {
      const [answer] = await session.query(
        `SELECT pg_try_advisory_lock(hashtextextended('drover:' || $1, 0)) AS free`,
        [name],
      );
      if (!answer.free) return false;
      try {
        await work();
      } finally {
        await session.query(`SELECT pg_advisory_unlock(hashtextextended('drover:' || $1, 0))`, [name]);
      }
      return true;
    } finally {
      await session.release();
    }
  }

  /** How many hosts, VMs and migrations are in which status. */
  countByStatus(): Promise<{ resource: string; status: string; count: number }[]> {
    const count = (table: string) =>
      `SELECT '${table}' AS resource, status, count(*)::int AS count FROM ${table} GROUP BY status`;
    return this.db.query(['host', 'vm', 'migration'].map(count).join(' UNION ALL '));
  }

  /** Rejects if the database does not answer. */
  async ping(): Promise<void> {
    await this.db.query('SELECT 1');
  }
}
