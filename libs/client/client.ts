/** The controller's REST API, typed by the contracts. */
import type * as c from '#contracts';
import { type Connection, pathOf, request } from './http.js';
import { type StreamOptions, streamOf } from './stream.js';

/** What callers write: zod's defaults may be left out. */
type Input<S extends { _zod: { input: unknown } }> = S['_zod']['input'];
type Filter<Q> = Partial<Omit<Q, 'limit'>> & { limit?: number };

/** An id as part of a path, whatever somebody typed. */
const at = encodeURIComponent;

export class DroverClient {
  constructor(private readonly connection: Connection) {}

  private send<T>(method: string, path: string, body?: unknown): Promise<T> {
    return request<T>(this.connection, method, pathOf(path), body);
  }

  private page<T>(path: string, query: object): Promise<c.Page<T>> {
    return request<c.Page<T>>(this.connection, 'GET', pathOf(path, { ...query }));
  }

  /** Checks address and token. */
  me = () => this.send<{ name: string }>('GET', '/me');

  clusters = {
    list: (query: Filter<c.PageQuery> = {}) => this.page<c.ClusterView>('/clusters', query),
    get: (id: string) => this.send<c.ClusterView>('GET', `/clusters/${at(id)}`),
    create: (body: Input<typeof c.CreateCluster>) => this.send<c.ClusterView>('POST', '/clusters', body),
    update: (id: string, body: Input<typeof c.UpdateCluster>) =>
      this.send<c.ClusterView>('PATCH', `/clusters/${at(id)}`, body),
    remove: (id: string) => this.send<void>('DELETE', `/clusters/${at(id)}`),
    /** A dry run: what the policy would do now, and why. */
    plan: (id: string, body: Input<typeof c.CreatePlan> = {}) =>
      this.send<c.PlanView>('POST', `/clusters/${at(id)}/plan`, body),
    /** What its policy has been, the newest version first. */
    versions: (id: string) => this.page<c.ClusterPolicyVersion>(`/clusters/${at(id)}/versions`, {}),
    whatIf: (id: string, body: Input<typeof c.WhatIf>) =>
      this.send<c.WhatIfView>('POST', `/clusters/${at(id)}/what-if`, body),
  };

  affinityGroups = {
    list: (query: Filter<c.AffinityGroupQuery> & { clusterId: string }) =>
      this.page<c.AffinityGroupView>('/affinity-groups', query),
    get: (id: string) => this.send<c.AffinityGroupView>('GET', `/affinity-groups/${at(id)}`),
    create: (body: Input<typeof c.CreateAffinityGroup>) =>
      this.send<c.AffinityGroupView>('POST', '/affinity-groups', body),
    check: (body: Input<typeof c.CheckAffinityGroup>) =>
      this.send<c.AffinityCheck>('POST', '/affinity-groups/check', body),
    update: (id: string, body: Input<typeof c.UpdateAffinityGroup>) =>
      this.send<c.AffinityGroupView>('PATCH', `/affinity-groups/${at(id)}`, body),
    remove: (id: string) => this.send<void>('DELETE', `/affinity-groups/${at(id)}`),
  };

  hosts = {
    list: (query: Filter<c.HostQuery> = {}) => this.page<c.HostView>('/hosts', query),
    get: (id: string) => this.send<c.HostView>('GET', `/hosts/${at(id)}`),
    update: (id: string, body: c.UpdateHost) => this.send<c.HostView>('PATCH', `/hosts/${at(id)}`, body),
    create: (body: c.CreateHost) => this.send<c.CreatedHost>('POST', '/hosts', body),
    remove: (id: string) => this.send<void>('DELETE', `/hosts/${at(id)}`),
    deactivate: (id: string, body: c.DeactivateHost) =>
      this.send<c.HostView>('POST', `/hosts/${at(id)}/deactivate`, body),
    activate: (id: string) => this.send<c.HostView>('POST', `/hosts/${at(id)}/activate`, {}),
  };

  /** Of hosts: how they are switched on and off, what they draw. */
  power = {
    get: (hostId: string) => this.send<c.HostPowerView>('GET', `/hosts/${at(hostId)}/power`),
    update: (hostId: string, body: c.UpdateHostPower) =>
      this.send<c.HostPowerView>('PATCH', `/hosts/${at(hostId)}/power`, body),
    setManagement: (hostId: string, body: Input<typeof c.SetPowerManagement>) =>
      this.send<c.HostPowerView>('PUT', `/hosts/${at(hostId)}/power-management`, body),
    removeManagement: (hostId: string) => this.send<c.HostPowerView>('DELETE', `/hosts/${at(hostId)}/power-management`),
    /** Asks the power management; that may take some seconds. */
    status: (hostId: string) => this.send<c.PowerStatusView>('POST', `/hosts/${at(hostId)}/power/status`, {}),
    order: (hostId: string, kind: c.PowerOperationKind, body: Input<typeof c.OrderPower> = {}) =>
      this.send<c.HostPowerView>('POST', `/hosts/${at(hostId)}/power/${kind}`, body),
  };

  energy = (query: Partial<c.EnergyQuery> = {}) =>
    request<c.EnergyView>(this.connection, 'GET', pathOf('/energy', { ...query }));

  maintenancePolicies = {
    list: (query: Filter<c.MaintenancePolicyQuery> = {}) =>
      this.page<c.MaintenancePolicyView>('/maintenance-policies', query),
    get: (id: string) => this.send<c.MaintenancePolicyView>('GET', `/maintenance-policies/${at(id)}`),
    create: (body: Input<typeof c.CreateMaintenancePolicy>) =>
      this.send<c.MaintenancePolicyView>('POST', '/maintenance-policies', body),
    update: (id: string, body: Input<typeof c.UpdateMaintenancePolicy>) =>
      this.send<c.MaintenancePolicyView>('PATCH', `/maintenance-policies/${at(id)}`, body),
    remove: (id: string) => this.send<void>('DELETE', `/maintenance-policies/${at(id)}`),
    versions: (id: string) =>
      this.send<{ items: c.MaintenancePolicyVersion[] }>('GET', `/maintenance-policies/${at(id)}/versions`),
    /** Which hosts it would empty now. */
    dryRun: (id: string) => this.send<c.MaintenanceDryRun>('POST', `/maintenance-policies/${at(id)}/dry-run`, {}),
  };

  maintenance = {
    /** When windows are open. */
    calendar: (query: Partial<c.CalendarQuery> = {}) =>
      request<c.CalendarView>(this.connection, 'GET', pathOf('/maintenance-calendar', { ...query })),
    runs: (query: Filter<c.MaintenanceRunQuery> = {}) => this.page<c.MaintenanceRunView>('/maintenance-runs', query),
    run: (id: string) => this.send<c.MaintenanceRunView>('GET', `/maintenance-runs/${at(id)}`),
    begin: (body: Input<typeof c.CreateMaintenanceRuns>) =>
      this.send<c.MaintenanceRollout>('POST', '/maintenance-runs', body),
    choose: (id: string, body: c.UpdateMaintenanceRun) =>
      this.send<c.MaintenanceRunView>('PATCH', `/maintenance-runs/${at(id)}`, body),
    pause: (id: string) => this.send<c.MaintenanceRunView>('POST', `/maintenance-runs/${at(id)}/pause`, {}),
    resume: (id: string) => this.send<c.MaintenanceRunView>('POST', `/maintenance-runs/${at(id)}/resume`, {}),
    cancel: (id: string, body: Input<typeof c.CancelMaintenanceRun> = {}) =>
      this.send<c.MaintenanceRunView>('POST', `/maintenance-runs/${at(id)}/cancel`, body),
    /** As another system would. */
    request: (hostId: string, body: c.RequestMaintenance) =>
      this.send<c.MaintenanceRunView>('POST', `/hosts/${at(hostId)}/maintenance-requests`, body),
    /** Could these hosts be emptied now? */
    report: (clusterId: string, hostIds: string[]) =>
      this.send<c.MaintenanceReport>('POST', `/clusters/${at(clusterId)}/maintenance-report`, { hostIds }),
  };

  storageDomains = {
    list: (query: Filter<c.StorageDomainQuery> = {}) => this.page<c.StorageDomainView>('/storage-domains', query),
    get: (id: string) => this.send<c.StorageDomainView>('GET', `/storage-domains/${at(id)}`),
    create: (body: c.CreateStorageDomain) => this.send<c.StorageDomainView>('POST', '/storage-domains', body),
    remove: (id: string) => this.send<void>('DELETE', `/storage-domains/${at(id)}`),
  };

  vms = {
    list: (query: Filter<c.VmQuery> = {}) => this.page<c.VmView>('/vms', query),
    get: (id: string) => this.send<c.VmView>('GET', `/vms/${at(id)}`),
    /** Why is it here, and why does it not move? */
    placement: (id: string) => this.send<c.PlacementView>('GET', `/vms/${at(id)}/placement`),
    create: (body: Input<typeof c.CreateVm>) => this.send<c.VmView>('POST', '/vms', body),
    update: (id: string, body: c.UpdateVm) => this.send<c.VmView>('PATCH', `/vms/${at(id)}`, body),
    remove: (id: string) => this.send<void>('DELETE', `/vms/${at(id)}`),
    start: (id: string, body: Input<typeof c.StartVm> = {}) =>
      this.send<c.VmView>('POST', `/vms/${at(id)}/start`, body),
    stop: (id: string, body: Input<typeof c.StopVm> = {}) => this.send<c.VmView>('POST', `/vms/${at(id)}/stop`, body),
    pause: (id: string) => this.send<c.VmView>('POST', `/vms/${at(id)}/pause`, {}),
    resume: (id: string) => this.send<c.VmView>('POST', `/vms/${at(id)}/resume`, {}),
    migrate: (id: string, body: Input<typeof c.MigrateVm> = {}) =>
      this.send<c.MigrationView>('POST', `/vms/${at(id)}/migrate`, body),
    /** All its moves, the latest first. */
    migrations: (id: string, query: Filter<c.PageQuery> = {}) =>
      this.page<c.MigrationHop>(`/vms/${at(id)}/migrations`, query),
    /** What a move would take, measured now. */
    migrationPrediction: (id: string) => this.send<c.MigrationPrediction>('GET', `/vms/${at(id)}/migration-prediction`),
    /** Console output since `offset`. */
    console: (id: string, offset = 0) =>
      request<c.ConsoleView>(this.connection, 'GET', pathOf(`/vms/${at(id)}/console`, { offset })),
    type: (id: string, body: c.ConsoleInput) => this.send<void>('POST', `/vms/${at(id)}/console`, body),
  };

  migrations = {
    list: (query: Filter<c.MigrationQuery> = {}) => this.page<c.MigrationView>('/migrations', query),
    get: (id: string) => this.send<c.MigrationDetail>('GET', `/migrations/${at(id)}`),
    /** What everybody who took part had to say. */
    log: (id: string) => this.send<c.MigrationLogView>('GET', `/migrations/${at(id)}/log`),
    cancel: (id: string) => this.send<c.MigrationView>('POST', `/migrations/${at(id)}/cancel`, {}),
    setParameters: (id: string, body: c.MigrationParameters) =>
      this.send<c.MigrationView>('PATCH', `/migrations/${at(id)}/parameters`, body),
  };

  migrationPolicies = {
    list: (query: Filter<c.PageQuery> = {}) => this.page<c.MigrationPolicyView>('/migration-policies', query),
    get: (id: string) => this.send<c.MigrationPolicyView>('GET', `/migration-policies/${at(id)}`),
    create: (body: Input<typeof c.CreateMigrationPolicy>) =>
      this.send<c.MigrationPolicyView>('POST', '/migration-policies', body),
    update: (id: string, body: Input<typeof c.UpdateMigrationPolicy>) =>
      this.send<c.MigrationPolicyView>('PATCH', `/migration-policies/${at(id)}`, body),
    versions: (id: string) => this.page<c.MigrationPolicyVersion>(`/migration-policies/${at(id)}/versions`, {}),
    remove: (id: string) => this.send<void>('DELETE', `/migration-policies/${at(id)}`),
  };

  plans = {
    list: (query: Filter<c.PlanQuery> = {}) => this.page<c.PlanView>('/plans', query),
    get: (id: string) => this.send<c.PlanView>('GET', `/plans/${at(id)}`),
    approve: (id: string, body: Input<typeof c.DecidePlan> = {}) =>
      this.send<c.PlanView>('POST', `/plans/${at(id)}/approve`, body),
    reject: (id: string, body: Input<typeof c.DecidePlan> = {}) =>
      this.send<c.PlanView>('POST', `/plans/${at(id)}/reject`, body),
  };

  events = {
    list: (query: Filter<c.EventQuery> = {}) => this.page<c.EventView>('/events', query),
    /** The state now, then every change; reconnects until `signal` ends it. */
    stream: (options: StreamOptions) => streamOf(this.connection, options),
  };
}

/** All items of a list, page after page: `for await (const vm of allOf((cursor) => client.vms.list({ cursor })))`. */
export async function* allOf<T>(list: (cursor: string | undefined) => Promise<c.Page<T>>): AsyncGenerator<T> {
  for (let cursor: string | undefined; ;) {
    const { items, nextCursor } = await list(cursor);
    yield* items;
    if (nextCursor === null) return;
    cursor = nextCursor;
  }
}
