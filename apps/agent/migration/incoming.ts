/** VMs that other hosts' agents bring here. Each shows a ticket that is good for one migration of one VM alone. */
import type { Disk, IncomingState, MigrationLogLine, PreparedIncoming, PrepareIncoming } from '#contracts';
import { lastLines, type VmProcess } from '#hypervisor';
import type { HostCredentials } from '../certificates/host-credentials.js';
import type { Identity } from '../state/identity.js';
import type { Checkpoints } from '../vms/checkpoints.js';
import type { VmRecord } from '../vms/vm-record.js';
import { VmRefusal } from '../vms/vm-refusal.js';
import type { VmTable } from '../vms/vm-table.js';
import type { VmTransfers } from '../vms/vm-transfers.js';
import { exportDisks, makeRoom, unseenDisks } from './disk-arrival.js';
import type { MigrationLog } from './migration-log.js';
import { isSameSecret, ticketFor } from './ticket.js';
import { type Greeting, tunnelUri } from './tunnelled/channel.js';
import { EXIT_ADDRESS } from './tunnelled/exit.js';

/** Of a VM's process, told with the log of its migration. */
export const PROCESS_LINES = 30;

interface Addresses {
  /** Where VMMs wait for migrations. */
  readonly bind: string;
  /** What others call this host. */
  readonly host: string;
  /** Where other agents bring tunnelled ones. */
  readonly tunnelPort: number;
}

export class IncomingMigrations {
  constructor(
    private readonly identity: Identity,
    private readonly vms: VmTable,
    private readonly transfers: VmTransfers,
    private readonly checkpoints: Checkpoints,
    private readonly credentials: HostCredentials,
    private readonly log: MigrationLog,
    private readonly addresses: () => Addresses,
  ) {}

  /** Starts a process that waits for the VM; resolves with where. Throws VmRefusal. */
  async prepare(arrival: PrepareIncoming, ticket: string): Promise<PreparedIncoming> {
    this.check(ticket, arrival);
    const { disks } = this.vms;
    return this.transfers.expect(arrival, {
      unseenDisks: () => unseenDisks(disks, arrival),
      makeRoom: (unseen) => makeRoom(disks, arrival, unseen),
      listen: (process, unseen) =>
        arrival.tunnelled
          ? this.listenBehindTunnel(process, arrival, unseen)
          : this.listenInTheOpen(process, arrival, unseen),
    });
  }

  private async listenInTheOpen(process: VmProcess, arrival: PrepareIncoming, unseen: readonly Disk[]) {
    const { bind, host } = this.addresses();
    const tls = arrival.encrypted ? this.credentials.need() : null;
    const checkpoint = this.checkpoints.find(arrival.vmId);
    const uri = `tcp:${host}:${await process.listen(bind, arrival.epoch, tls, arrival.means, checkpoint)}`;
    const exported = await exportDisks(process, bind, unseen, tls);
    return { prepared: { uri, nbd: exported && { host, ...exported } }, tunnelPorts: null };
  }

  private async listenBehindTunnel(process: VmProcess, arrival: PrepareIncoming, unseen: readonly Disk[]) {
    const { epoch, means, vmId } = arrival;
    const { host, tunnelPort: port } = this.addresses();
    this.credentials.need(); // before anybody tries in vain
    const memory = await process.listen(EXIT_ADDRESS, epoch, null, means, this.checkpoints.find(vmId));
    const exported = await exportDisks(process, EXIT_ADDRESS, unseen, null);
    const nbd = exported && { host, port, exports: exported.exports };
    return { prepared: { uri: tunnelUri(host, port), nbd }, tunnelPorts: { memory, disks: exported?.port ?? null } };
  }

  /** The port at which a channel of a tunnelled migration ends. Throws VmRefusal. */
  tunnelPortOf({ migrationId, channel, ticket }: Greeting): number {
    const port = this.find(migrationId, ticket).incoming?.tunnelPorts?.[channel];
    if (port == null) throw new VmRefusal('not_found', `nothing waits here for the ${channel} of ${migrationId}`);
    return port;
  }

  async state(migrationId: string, ticket: string): Promise<IncomingState> {
    const record = this.find(migrationId, ticket);
    const hasArrived = await this.transfers.noteArrival(record.vmId);
    const process = this.vms.process(record.vmId);
    const { phase, end } = this.vms.record(record.vmId)!;
    if ((hasArrived || phase === 'incoming') && process) {
      const { status, isComplete, message } = await process.queryIncoming();
      if (hasArrived) return { status: 'running', isComplete, hasEnded: false, message };
      return { status: status === 'failed' ? 'gone' : status, isComplete, hasEnded: false, message };
    }
    if (phase === 'incoming') throw new VmRefusal('not_ready', 'its process does not answer now');
    // A guest that ended after it had arrived has been here all the same.
    const hasRun = phase === 'stopping' || phase === 'ended';
    const message = end?.message ?? 'nothing of the VM is here';
    // A guest that has switched itself off needs no page any more, wherever its pages are.
    return { status: hasRun ? 'running' : 'gone', isComplete: end?.status === 'down', hasEnded: end !== null, message };
  }

  /** The source will never run the VM again: sees to it that it runs here if everything is here. */
  async finish(migrationId: string, ticket: string): Promise<IncomingState> {
    const { vmId } = this.find(migrationId, ticket);
    const before = await this.state(migrationId, ticket);
    if (before.status !== 'loaded') return before;
    await this.vms.processOf(vmId).finishIncoming();
    return this.state(migrationId, ticket);
  }

  /** Post-copy has lost its connection: waits for another one; resolves with where. */
  async recover(migrationId: string, ticket: string): Promise<string> {
    const { vmId, incoming } = this.find(migrationId, ticket);
    const { bind, host, tunnelPort } = this.addresses();
    const process = this.vms.processOf(vmId);
    const { tunnelPorts } = incoming!;
    if (!tunnelPorts) return `tcp:${host}:${await process.waitForRecovery(bind)}`;
    const memory = await process.waitForRecovery(EXIT_ADDRESS);
    this.vms.update(vmId, { incoming: { ...incoming!, tunnelPorts: { ...tunnelPorts, memory } } });
    return tunnelUri(host, tunnelPort);
  }

  /** These vCPUs are the guest's again as soon as it has arrived. */
  restoreVcpus(migrationId: string, vcpus: readonly number[], ticket: string): void {
    const { vmId, incoming } = this.find(migrationId, ticket);
    this.vms.update(vmId, { incoming: { ...incoming!, offlineVcpus: [...vcpus] } });
  }

  /** What this host and the VM's process here have to say of it. */
  linesOf(migrationId: string, ticket: string): MigrationLogLine[] {
    const { process } = this.find(migrationId, ticket);
    const lines = this.log.of(migrationId, process ? lastLines(process.log, PROCESS_LINES) : []);
    return lines.map((line) => ({ ...line, side: 'destination' }));
  }

  /** The source runs on: throws away what is here. */
  async discard(migrationId: string, ticket: string): Promise<IncomingState> {
    const { vmId } = this.find(migrationId, ticket);
    await this.transfers.discard(vmId, migrationId, 'the source gave the migration up');
    return this.state(migrationId, ticket);
  }

  private find(migrationId: string, ticket: string): VmRecord {
    const record = this.vms.records().find(({ incoming }) => incoming?.migrationId === migrationId);
    if (!record) throw new VmRefusal('not_found', `nothing of migration ${migrationId} is on this host`);
    this.check(ticket, { migrationId, vmId: record.vmId, epoch: record.epoch });
    return record;
  }

  private check(ticket: string, passage: { migrationId: string; vmId: string; epoch: number }): void {
    if (!isSameSecret(ticket, ticketFor(this.identity.agentToken, passage)))
      throw new VmRefusal('unauthorized', 'the ticket is not good for this migration');
  }
}
