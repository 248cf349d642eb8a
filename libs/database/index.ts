/** All SQL of the controller. */
export { AgentRoles } from './agent-roles.js';
export { type Change, ChangeFeed } from './change-feed.js';
export { openDataSource } from './data-source.js';
export { Database, type Repositories } from './database.js';
export { BadCursor, Conflict, isUnavailable, NotFound } from './errors.js';
export type { AffinityGroupRow } from './entities/affinity-group.entity.js';
export type { Cluster } from './entities/cluster.entity.js';
export type { Event } from './entities/event.entity.js';
export type { Host } from './entities/host.entity.js';
export type { MigrationPolicy } from './entities/migration-policy.entity.js';
export type { Migration } from './entities/migration.entity.js';
export type { StorageDomain } from './entities/storage-domain.entity.js';
export type { VmReportRow } from './entities/vm-report.entity.js';
export type { Vm } from './entities/vm.entity.js';
export type { HostUsage } from './repositories/host.repository.js';
export type { WholePlan } from './repositories/plan.repository.js';
export type { StorageUsage } from './repositories/storage-domain.repository.js';
export type { VmChange } from './repositories/vm.repository.js';
