/**
 * A datacenter in memory that keeps the contracts: three hosts, six VMs, some history, and migrations that advance when
 * told to. What changes is told to `tell`.
 */
import { randomUUID } from 'node:crypto';
import {
  ClusterView,
  Convergence,
  DEFAULT_CONVERGENCE,
  type Disk,
  type EventView,
  type HealthCheck,
  type HostView,
  type Iteration,
  type MigrationDetail,
  type MigrationPolicyView,
  type StorageDomainView,
  PlanView,
  type VmView,
} from '#contracts';

const MIB = 2 ** 20;
/** A disk that stays with its host unless it is copied. */
const SYSTEM_DISK: Disk = {
  ...{ name: 'system', sizeMiB: 2048, sourceImage: null, storageDomain: 'fast', kind: 'local', path: 'disks' },
  storageDomainId: '00000000-0000-4000-8000-00000000d15c',
};
const RESTART: HealthCheck = {
  ...{ kind: 'reboot_required', subject: '', state: 'warning', value: null },
  reason: 'it is to be restarted because of linux-image-6.12',
};
const START = Date.now();
const ago = (seconds: number) => new Date(START - seconds * 1000).toISOString();
const iso = () => new Date().toISOString();

export type Kind = 'cluster' | 'host' | 'vm' | 'migration' | 'plan' | 'event';

export abstract class SampleDatacenter {
  readonly clusters: ClusterView[] = [];
  readonly hosts: HostView[] = [];
  readonly vms: VmView[] = [];
  readonly migrations: MigrationDetail[] = [];
  readonly plans: PlanView[] = [];
  readonly events: EventView[] = [];
  readonly storageDomains: StorageDomainView[] = [];
  readonly migrationPolicies: MigrationPolicyView[] = [];
  protected beats = 0;

  host = (name: string) => this.hosts.find((host) => host.name === name)!;
  vm = (name: string) => this.vms.find((vm) => vm.name === name)!;

  /** A view that has changed. */
  protected abstract tell(kind: Kind, view: { id: string }): void;

  log(message: string, event: Partial<EventView> & { type: string }): void {
    const view: EventView = {
      id: String(this.events.length + 1).padStart(8, '0'),
      at: iso(),
      severity: 'info',
      message,
      clusterId: this.clusters[0]!.id,
      hostId: null,
      vmId: null,
      migrationId: null,
      planId: null,
      ...event,
    };
    this.events.unshift(view);
    this.tell('event', view);
  }

  /** Load as heartbeats would tell it. */
  beat(): void {
    this.beats++;
    for (const vm of this.vms.filter(({ status }) => status === 'up' || status === 'migrating')) {
      const swing = Math.sin(this.beats / 3 + vm.name.charCodeAt(3));
      vm.cpuUsedCores = vm.vcpus * (0.55 + 0.35 * swing);
      vm.memoryUsedMiB = vm.memoryMiB * (0.6 + 0.05 * swing);
      vm.dirtyRateMiBps = 14 + 10 * swing;
      vm.networkUsedMiBps = 6 + 5 * swing;
      this.tell('vm', vm);
    }
    for (const host of this.hosts) {
      const here = this.vms.filter(({ hostId }) => hostId === host.id);
      host.vmCount = here.length;
      host.cpuUsedCores = here.reduce((sum, vm) => sum + (vm.cpuUsedCores ?? 0), 0);
      host.networkUsedMiBps = here.reduce((sum, vm) => sum + (vm.networkUsedMiBps ?? 0), 0);
      host.memoryUsedMiB = here.reduce((sum, vm) => sum + vm.memoryMiB, 0);
      host.lastHeartbeatAt = iso();
      this.tell('host', host);
    }
  }

  /** Begins a migration; `step` moves it on. */
  beginMigration(vm: VmView, destination: HostView, reason: string, planId: string | null = null): MigrationDetail {
    const source = this.hosts.find(({ id }) => id === vm.hostId)!;
    const migration: MigrationDetail = {
      id: randomUUID(),
      vmId: vm.id,
      vmName: vm.name,
      ordinal: ++vm.migrationCount,
      sourceHostId: source.id,
      sourceHostName: source.name,
      destinationHostId: destination.id,
      destinationHostName: destination.name,
      status: 'preparing',
      trigger: planId ? 'policy' : 'manual',
      reason,
      planId,
      epoch: vm.epoch + 1,
      progress: null,
      downtimeMs: null,
      totalMs: null,
      error: null,
      createdAt: iso(),
      startedAt: iso(),
      endedAt: null,
      convergence: Convergence.parse(DEFAULT_CONVERGENCE),
      encryption: 'auto',
      tunnelled: false,
      decisions: [],
      versions: null,
      iterations: [],
      downtimeBreakdown: null,
      timeline: [
        { at: iso(), status: 'planned', message: reason },
        { at: iso(), status: 'queued', message: `ordered from ${source.name}` },
        { at: iso(), status: 'preparing', message: `${destination.name} makes room` },
      ],
    };
    this.migrations.unshift(migration);
    vm.status = 'migrating';
    source.migrationCount++;
    destination.migrationCount++;
    this.tell('migration', migration);
    this.tell('vm', vm);
    this.log(`${vm.name} begins to move from ${source.name} to ${destination.name}`, {
      type: 'migration.started',
      vmId: vm.id,
      migrationId: migration.id,
    });
    return migration;
  }

  /** One more pass over memory. */
  step(migration: MigrationDetail): void {
    const iteration = migration.iterations.length + 1;
    const totalBytes = this.vms.find(({ id }) => id === migration.vmId)!.memoryMiB * MIB;
    const remainingBytes = Math.round(totalBytes * 0.42 ** iteration);
    const pass: Iteration = {
      iteration,
      pages: Math.round(remainingBytes / 4096),
      zeroPages: iteration === 1 ? 9000 : 12,
      bytes: Math.round(remainingBytes * 1.2),
      durationMs: 900 / iteration,
      bandwidthMiBps: 118 + 9 * Math.sin(iteration * 2),
      dirtyRateMiBps: 26 + 6 * Math.cos(iteration),
      remainingBytes,
      expectedDowntimeMs: remainingBytes / MIB / 0.118,
    };
    migration.iterations.push(pass);
    if (migration.status === 'preparing') this.enter(migration, 'precopy', 'memory is being copied');
    migration.progress = {
      totalBytes,
      transferredBytes: migration.iterations.reduce((sum, { bytes }) => sum + bytes, 0),
      remainingBytes,
      bandwidthMiBps: pass.bandwidthMiBps,
      dirtyRateMiBps: pass.dirtyRateMiBps,
      iteration,
      expectedDowntimeMs: pass.expectedDowntimeMs,
      xbzrle: { pages: 2048, bytes: MIB / 2, misses: 40 },
      multifdBytes: 10 * MIB,
    };
    this.tell('migration', migration);
  }

  complete(migration: MigrationDetail): void {
    const vm = this.vms.find(({ id }) => id === migration.vmId)!;
    this.enter(migration, 'switchover', 'the remainder fits the downtime limit');
    migration.downtimeBreakdown = {
      stopMs: 1.2,
      finalSyncMs: 2.1,
      finalPagesMs: 21.4,
      deviceStateMs: 1.6,
      loadMs: 8.3,
      resumeMs: 3.1,
    };
    migration.downtimeMs = 37.7;
    migration.totalMs = 2840;
    migration.endedAt = iso();
    this.enter(migration, 'completed', 'the guest runs at the destination');
    for (const host of this.hosts)
      if (host.id === migration.sourceHostId || host.id === migration.destinationHostId) host.migrationCount--;
    vm.hostId = migration.destinationHostId;
    vm.epoch = migration.epoch;
    vm.status = 'up';
    this.tell('migration', migration);
    this.tell('vm', vm);
    this.beat();
    this.log(`${vm.name} runs on ${migration.destinationHostName}, after 38 ms downtime`, {
      type: 'migration.completed',
      vmId: vm.id,
      migrationId: migration.id,
    });
  }

  private enter(migration: MigrationDetail, status: MigrationDetail['status'], message: string): void {
    migration.status = status;
    migration.timeline.push({ at: iso(), status, message });
  }

  /** Three hosts, six VMs, all on the first two hosts; history of decisions and migrations. */
  protected fill(): void {
    for (const [name, downtimeLimitMs, bandwidthMiBps] of [
      ['standard', 300, null],
      ['gentle', 100, 64],
    ] as const)
      this.migrationPolicies.push({
        id: randomUUID(),
        name,
        description: name === 'gentle' ? 'For guests that notice every millisecond' : '',
        downtimeLimitMs,
        bandwidthMiBps,
        timeoutSeconds: 600,
        keepCheckpoints: true,
        convergence: Convergence.parse(DEFAULT_CONVERGENCE),
        encryption: 'auto',
        tunnelled: false,
        bandwidthSharePercent: null,
        createdAt: ago(90_000),
      });
    const cluster = ClusterView.parse({
      id: randomUUID(),
      name: 'main',
      description: 'The machines in room 4',
      schedulingPolicy: { name: 'evenly_distributed', parameters: {} },
      migrationPolicyId: this.migrationPolicies[0]!.id,
      cooldownSeconds: 60,
      maxMigrationsPerHost: 2,
      createdAt: ago(90_000),
    });
    this.clusters.push(cluster);
    for (const index of [1, 2, 3])
      this.hosts.push({
        id: randomUUID(),
        clusterId: cluster.id,
        name: `host-${index}`,
        labels: [],
        status: 'up',
        statusReason: '',
        cpuCores: 4,
        memoryMiB: 2048,
        cpuUsedCores: 0,
        memoryUsedMiB: 0,
        linkMiBps: index === 3 ? null : 1120,
        networkUsedMiBps: 0,
        pressure:
          index === 3
            ? null
            : { cpuSomePercent: 3.2 * index, memorySomePercent: 0, ioSomePercent: 0.4, stealPercent: 0 },
        isolation: [
          { measure: 'own_user', inForce: true, reason: '' },
          { measure: 'limits', inForce: index !== 3, reason: index === 3 ? 'there are no control groups' : '' },
        ],
        hostDevices: [],
        storage: [],
        checkpoints: [],
        drivers: [
          { hypervisor: 'drover', architecture: 'riscv64', accelerator: 'drover', version: '0.1.0' },
          { hypervisor: 'qemu', architecture: 'x86_64', accelerator: 'kvm', version: '7.2.22' },
        ],
        health: { at: ago(20), checks: index === 2 ? [RESTART] : [] },
        vmCount: 0,
        migrationCount: 0,
        agentUrl: `http://127.0.0.1:742${index}`,
        agentVersion: '0.1.0',
        lastHeartbeatAt: ago(1),
        createdAt: ago(90_000),
      });
    for (const index of [1, 2, 3, 4, 5, 6])
      this.vms.push({
        id: randomUUID(),
        clusterId: cluster.id,
        hostId: this.hosts[index <= 4 ? 0 : 1]!.id,
        name: `vm-${index}`,
        hypervisor: 'drover',
        architecture: 'riscv64',
        labels: [],
        placement: 'migratable',
        priority: 1,
        highAvailability: false,
        vcpus: index % 2 === 0 ? 2 : 1,
        memoryMiB: index % 2 === 0 ? 256 : 128,
        image: 'pager',
        append: 'region=64 rate=8',
        nics: [{ network: 'default', mac: `52:54:00:12:34:0${index}` }],
        disks: index === 1 ? [SYSTEM_DISK] : [],
        diskHostId: index === 1 ? this.hosts[0]!.id : null,
        status: index === 6 ? 'down' : 'up',
        statusReason: index === 6 ? 'the guest ended with status 0' : '',
        epoch: 1,
        cpuUsedCores: null,
        memoryUsedMiB: null,
        dirtyRateMiBps: null,
        networkUsedMiBps: null,
        guest: index === 6 ? null : { hostName: `guest-${index}`, ipAddresses: [`10.0.0.${index}`, '2001:db8::7'] },
        consoleTail: 'pager seq=41 errors=0\npager seq=42 errors=0\n',
        exitCode: index === 6 ? 0 : null,
        migrationPolicyId: null,
        migrationPrediction: null,
        migrationObstacle: null,
        migrationCount: 0,
        cooldownUntil: null,
        createdAt: ago(80_000),
        startedAt: index === 6 ? null : ago(4000),
      });
    const plan = this.planFor(cluster, 'applied');
    this.plans.push(plan);
    const vm = this.vm('vm-5');
    vm.hostId = this.hosts[0]!.id;
    const done = this.beginMigration(vm, this.hosts[1]!, 'imbalance of CPU falls from 31.4 to 18.9', plan.id);
    for (let pass = 0; pass < 5; pass++) this.step(done);
    this.complete(done);
    const failed = this.beginMigration(this.vm('vm-3'), this.hosts[2]!, 'asked by an administrator');
    this.step(failed);
    failed.error = {
      code: 'destination_unreachable',
      phase: 'perform',
      side: 'source',
      message: 'The destination closed the connection after 84 MiB.',
    };
    failed.endedAt = iso();
    this.enter(failed, 'failed', failed.error.message);
    this.vm('vm-3').status = 'up';
    for (const host of this.hosts) host.migrationCount = 0;
    this.log('vm-3 did not move to host-3: the destination closed the connection', {
      type: 'migration.failed',
      severity: 'error',
      vmId: failed.vmId,
      migrationId: failed.id,
    });
    for (const host of this.hosts) this.log(`${host.name} is up`, { type: 'host.up', hostId: host.id });
    this.log('The heartbeat of host-2 came late', {
      type: 'host.late',
      severity: 'warning',
      hostId: this.hosts[1]!.id,
    });
    this.beat();
  }

  /** What a policy would move, or has moved. */
  protected planFor(cluster: ClusterView, kind: PlanView['kind'], policy = cluster.schedulingPolicy): PlanView {
    const [source, destination] = [this.hosts[0]!, this.hosts[2]!];
    const moving = policy.name === 'none' ? [] : this.vms.filter(({ hostId }) => hostId === source.id).slice(0, 2);
    return PlanView.parse({
      id: randomUUID(),
      clusterId: cluster.id,
      kind,
      policy,
      imbalanceBefore: 31.4,
      imbalanceAfter: moving.length > 0 ? 8.2 : 31.4,
      summary:
        moving.length > 0
          ? `${moving.length} moves lower the imbalance from 31.4 to 8.2`
          : 'the policy none moves nothing',
      moves: moving.map((vm) => ({
        vmId: vm.id,
        vmName: vm.name,
        sourceHostId: source.id,
        sourceHostName: source.name,
        destinationHostId: destination.id,
        destinationHostName: destination.name,
        reason: `${source.name} carries 71 % of its CPU, ${destination.name} 4 %; the move evens this out`,
        gain: 11.6,
        migrationId: null,
      })),
      refusals: this.vms.slice(2, 5).map((vm) => ({
        vmId: vm.id,
        vmName: vm.name,
        hostId: destination.id,
        hostName: destination.name,
        reason: 'the move would gain 0.4 points, less than MinimumGain 1',
      })),
      createdAt: kind === 'applied' ? ago(130) : iso(),
    });
  }
}
