/** The parts of an agent, put together. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Enrolled } from '#contracts';
import { type Isolation, runtimeFolderFor } from '#hypervisor';
import { HostCredentials } from './certificates/host-credentials.js';
import { type AgentConfig, readEnrolmentToken } from './config.js';
import { HealthWatch, sourcesOfHost } from './health/health-watch.js';
import { ControllerLink } from './heartbeat/controller-link.js';
import { ProcessMeter } from './host/measure.js';
import { StorageWatch } from './host/storage.js';
import type { Log } from './log.js';
import { Commands } from './maintenance/commands.js';
import { Converger } from './migration/convergence/converger.js';
import { probeResident } from './migration/convergence/probe.js';
import { ProbeWatch } from './migration/convergence/probe-watch.js';
import { IncomingMigrations } from './migration/incoming.js';
import type { MigrationLog } from './migration/migration-log.js';
import { MigrationRecord } from './migration/migration-record.js';
import { OutgoingMigrations } from './migration/outgoing.js';
import type { Greeting } from './migration/tunnelled/channel.js';
import { TunnelExit } from './migration/tunnelled/exit.js';
import { Passages } from './migration/passages.js';
import { SwitchThread } from './network/switch-thread.js';
import { lockFolder } from './state/folder-lock.js';
import { Identity } from './state/identity.js';
import { JsonStore } from './state/json-store.js';
import { Checkpoints } from './vms/checkpoints.js';
import { DiskFiles } from './vms/disk-files.js';
import { VmMeter } from './vms/figures.js';
import type { Hypervisors } from './vms/hypervisors.js';
import { VmOrders } from './vms/vm-orders.js';
import { VmRecord } from './vms/vm-record.js';
import { LONGEST_SOCKET, VmTable } from './vms/vm-table.js';
import { VmTransfers } from './vms/vm-transfers.js';

export class AgentContext {
  readonly identity: Identity;
  readonly credentials: HostCredentials;
  readonly controller: ControllerLink;
  readonly network: SwitchThread;
  readonly vms: VmTable;
  readonly orders: VmOrders;
  readonly checkpoints: Checkpoints;
  readonly transfers: VmTransfers;
  readonly meter: VmMeter;
  readonly outgoing: OutgoingMigrations;
  readonly incoming: IncomingMigrations;
  readonly health: HealthWatch;
  readonly commands: Commands;
  readonly probes: ProbeWatch;
  readonly storage: StorageWatch;
  readonly tunnelExit: TunnelExit;
  private publicUrl: string | null = null;
  private ports = { tunnelPort: 0, migrationPort: 0 };

  /** Reads what is on disk; touches no process yet. Throws ConfigError, or an Error that says what is in the way. */
  constructor(
    readonly config: AgentConfig,
    readonly version: string,
    readonly isolation: Isolation,
    readonly hypervisors: Hypervisors,
    migrationLog: MigrationLog,
    readonly log: Log,
  ) {
    const { dir, imageFolders, controllerUrl, memoryMiB, migrationBind, hostDevices } = config;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    lockFolder(dir);
    this.identity = Identity.open(dir);
    this.credentials = HostCredentials.open(dir);
    if (!this.identity.enrolled) readEnrolmentToken(config);
    const onDamage = (file: string, reason: string) =>
      log.error({ file, reason }, 'a record cannot be read and was set aside');
    const vmStore = JsonStore.open(join(dir, 'vms'), VmRecord, onDamage);
    const migrationStore = JsonStore.open(join(dir, 'migrations'), MigrationRecord, onDamage);
    const folders = {
      images: imageFolders,
      vms: join(dir, 'vms'),
      runtime: runtimeFolderFor(dir, LONGEST_SOCKET),
      hostDevices,
    };

    this.health = new HealthWatch(sourcesOfHost(config.healthDir), config.healthIntervalMs, log);
    this.commands = Commands.open(join(dir, 'commands'), config.maintenanceDir, () => this.health.refresh(), log);
    this.controller = new ControllerLink(controllerUrl);
    this.network = new SwitchThread(this.identity.agentToken, log);
    const disks = new DiskFiles(dir, imageFolders);
    this.vms = new VmTable(vmStore, hypervisors, folders, this.network, disks, log);
    this.probes = new ProbeWatch(
      () => this.vms.records().filter(({ phase, leaving }) => phase === 'running' && !leaving),
      (vmId) => probeResident(this.vms.processOf(vmId)),
      config.probeIntervalMs,
      log,
    );
    this.storage = new StorageWatch(dir, log);
    this.checkpoints = new Checkpoints(join(dir, 'vms'), log);
    this.transfers = new VmTransfers(this.vms, this.checkpoints, memoryMiB, log);
    this.orders = new VmOrders(this.vms, this.transfers, log);
    this.meter = new VmMeter(this.vms, new ProcessMeter(), log);
    const { vms, transfers, checkpoints } = this;
    this.outgoing = new OutgoingMigrations({
      ...{ store: migrationStore, vms, transfers, checkpoints, migrationLog, log },
      passages: new Passages(vms, this.credentials, log),
      converger: new Converger(),
      heardAtMs: () => this.controller.answeredAtMs,
    });
    this.incoming = new IncomingMigrations(
      this.identity,
      this.vms,
      this.transfers,
      this.checkpoints,
      this.credentials,
      migrationLog,
      () => ({
        bind: migrationBind,
        host: new URL(this.url).hostname,
        tunnelPort: this.ports.migrationPort,
      }),
    );
    const exit = {
      credentials: () => this.credentials.need(),
      portOf: (greeting: Greeting) => this.incoming.tunnelPortOf(greeting),
    };
    this.tunnelExit = new TunnelExit(exit, log);
  }

  /** What others call; known once the agent listens. */
  get url(): string {
    if (this.publicUrl === null) throw new Error('the agent does not listen yet');
    return this.publicUrl;
  }

  get isReady(): boolean {
    return this.publicUrl !== null;
  }

  /** HOST:PORT at which the switches of other hosts reach this one's. */
  get tunnelAddress(): string {
    return `${new URL(this.url).hostname}:${this.ports.tunnelPort}`;
  }

  /** `url`: what others call; where the host's switch listens, and where tunnelled migrations come in. */
  listensAt(url: string, ports: { readonly tunnelPort: number; readonly migrationPort: number }): void {
    this.publicUrl = url;
    this.ports = ports;
  }

  /** Introduces this host to the controller with the token that an administrator put here. */
  async enrol(): Promise<Enrolled> {
    const { cpuCores, memoryMiB } = this.config;
    const { agentToken } = this.identity;
    const drivers = [...this.hypervisors.told];
    const enrol = { agentUrl: this.url, agentVersion: this.version, agentToken, cpuCores, memoryMiB, drivers };
    const enrolled = await this.controller.enrol(readEnrolmentToken(this.config), enrol);
    this.identity.enrol(enrolled);
    this.log.info({ hostId: enrolled.hostId, hostName: enrolled.hostName }, 'enrolled');
    return enrolled;
  }
}
