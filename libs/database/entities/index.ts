import { AffinityGroupRow } from './affinity-group.entity.js';
import { AgentCredential } from './agent-credential.entity.js';
import { ClusterLoad } from './cluster-load.entity.js';
import { Cluster } from './cluster.entity.js';
import { Event } from './event.entity.js';
import { Host } from './host.entity.js';
import { HostEnergy } from './host-energy.entity.js';
import { HostBoot, HostPower } from './host-power.entity.js';
import { IdempotencyKey } from './idempotency-key.entity.js';
import { MaintenancePolicy, MaintenancePolicyVersionRow } from './maintenance-policy.entity.js';
import { MaintenanceRun } from './maintenance-run.entity.js';
import { MigrationPolicy } from './migration-policy.entity.js';
import { Migration, MigrationIteration, MigrationTimeline } from './migration.entity.js';
import { Plan, PlanMove, PlanRefusal } from './plan.entity.js';
import { PolicyVersion } from './policy-version.entity.js';
import { Setting } from './setting.entity.js';
import { StorageDomain } from './storage-domain.entity.js';
import { VmReportRow } from './vm-report.entity.js';
import { Vm } from './vm.entity.js';

export const ENTITIES = [
  AffinityGroupRow,
  AgentCredential,
  Cluster,
  ClusterLoad,
  Event,
  Host,
  HostBoot,
  HostEnergy,
  HostPower,
  IdempotencyKey,
  MaintenancePolicy,
  MaintenancePolicyVersionRow,
  MaintenanceRun,
  Migration,
  MigrationIteration,
  MigrationPolicy,
  MigrationTimeline,
  Plan,
  PlanMove,
  PlanRefusal,
  PolicyVersion,
  Setting,
  StorageDomain,
  Vm,
  VmReportRow,
];
