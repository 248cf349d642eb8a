import { type DynamicModule, type FactoryProvider, Module, StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Reflector } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { ChangeFeed, Database } from '#database';
import { HostQueues } from '#queue';
import { AffinityController } from './affinity/affinity.controller.js';
import { AffinityService } from './affinity/affinity.service.js';
import { AgentAccess } from './agents/agent-access.js';
import { AgentClient } from './agents/agent-client.js';
import { AgentsController } from './agents/agents.controller.js';
import { EnrolmentService } from './agents/enrolment.service.js';
import { HeartbeatService } from './agents/heartbeat.service.js';
import { Peers } from './agents/peers.js';
import { AdminGuard } from './auth/admin.guard.js';
import { SecretBox } from './auth/secrets.js';
import type { Backends } from './backends.js';
import { CertificateAuthority } from './certificates/certificate-authority.js';
import { ClustersController } from './clusters/clusters.controller.js';
import type { Config } from './config.js';
import { EnergyController } from './energy/energy.controller.js';
import { EnergyLoop } from './energy/energy-loop.js';
import { EventStream } from './events/event-stream.js';
import { EventsController } from './events/events.controller.js';
import { HealthController } from './health/health.controller.js';
import { HostsController } from './hosts/hosts.controller.js';
import { HostsService } from './hosts/hosts.service.js';
import { IdempotencyInterceptor } from './http/idempotency.interceptor.js';
import { InputPipe } from './http/input.pipe.js';
import { ProblemFilter } from './http/problem.filter.js';
import { type Log, LOG } from './log.js';
import { MaintenanceLoop } from './maintenance/maintenance-loop.js';
import { MaintenancePoliciesController } from './maintenance/maintenance-policies.controller.js';
import { MaintenancePoliciesService } from './maintenance/maintenance-policies.service.js';
import { MaintenanceReports } from './maintenance/maintenance-reports.js';
import { MaintenanceRunsController } from './maintenance/maintenance-runs.controller.js';
import { MaintenanceRunsService } from './maintenance/maintenance-runs.service.js';
import { Maintaining } from './maintenance/maintaining.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { MigrationPoliciesController } from './migration-policies/migration-policies.controller.js';
import { MigrationsController } from './migrations/migrations.controller.js';
import { MigrationsService } from './migrations/migrations.service.js';
import { PredictionService } from './migrations/prediction.service.js';
import { Orders } from './orders.js';
import { ApprovalService } from './plans/approval.service.js';
import { PlanProgress } from './plans/plan-progress.js';
import { Planning } from './plans/planning.js';
import { WhatIfs } from './plans/what-if.service.js';
import { PlansController } from './plans/plans.controller.js';
import { PlanLoop } from './policy-loop/plan-loop.js';
import { HostPowers } from './power/host-power.service.js';
import { PowerControls } from './power/power-controls.js';
import { FenceLoop } from './power/fence-loop.js';
import { PowerLoop } from './power/power-loop.js';
import { PowerController } from './power/power.controller.js';
import { PolicyLoop } from './policy-loop/policy-loop.js';
import { ReconcilerLoop } from './reconciler/reconciler-loop.js';
import { Reconciler } from './reconciler/reconciler.js';
import { StorageDomainsController } from './storage-domains/storage-domains.controller.js';
import { CONFIG } from './tokens.js';
import { VmsController } from './vms/vms.controller.js';
import { VmsService } from './vms/vms.service.js';

const controllers = [
  AffinityController,
  AgentsController,
  ClustersController,
  EnergyController,
  EventsController,
  HealthController,
  HostsController,
  MaintenancePoliciesController,
  MaintenanceRunsController,
  MetricsController,
  MigrationPoliciesController,
  MigrationsController,
  PlansController,
  PowerController,
  StorageDomainsController,
  VmsController,
];

const services = [
  AffinityService,
  AgentClient,
  ApprovalService,
  CertificateAuthority,
  EnergyLoop,
  EnrolmentService,
  EventStream,
  HeartbeatService,
  HostPowers,
  HostsService,
  Maintaining,
  MaintenanceLoop,
  MaintenancePoliciesService,
  MaintenanceReports,
  MaintenanceRunsService,
  Metrics,
  MigrationsService,
  Orders,
  Peers,
  PlanLoop,
  Planning,
  PlanProgress,
  WhatIfs,
  PolicyLoop,
  PowerControls,
  PowerLoop,
  FenceLoop,
  PredictionService,
  Reconciler,
  ReconcilerLoop,
  VmsService,
];

/** What holds for every route. */
const http: FactoryProvider[] = [
  { provide: APP_FILTER, inject: [LOG], useFactory: (log: Log) => new ProblemFilter(log) },
  {
    provide: APP_GUARD,
    inject: [CONFIG, Reflector],
    useFactory: (config: Config, reflector: Reflector) => new AdminGuard(config.adminToken, reflector),
  },
  { provide: APP_PIPE, useFactory: () => new InputPipe() },
  {
    provide: APP_INTERCEPTOR,
    inject: [Database, SecretBox],
    useFactory: (db: Database, box: SecretBox) => new IdempotencyInterceptor(db, box),
  },
  {
    provide: APP_INTERCEPTOR,
    inject: [Reflector],
    useFactory: (reflector: Reflector) => new StandardSchemaSerializerInterceptor(reflector),
  },
];

// oxlint-disable-next-line typescript/no-extraneous-class -- Nest wants a class to hang a module on
@Module({})
class AppModule {}

/** The controller, standing on servers that are connected already. */
export const appModule = (config: Config, log: Log, { database, queues, access, feed }: Backends): DynamicModule => ({
  module: AppModule,
  imports: [ScheduleModule.forRoot()],
  controllers,
  providers: [
    { provide: CONFIG, useValue: config },
    { provide: LOG, useValue: log },
    { provide: Database, useValue: database },
    { provide: HostQueues, useValue: queues },
    { provide: AgentAccess, useValue: access },
    { provide: ChangeFeed, useValue: feed },
    { provide: SecretBox, useValue: new SecretBox(config.secret) },
    ...http,
    ...services,
  ],
});
