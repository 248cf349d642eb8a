/** How migrations that leave this host get to their destinations: straight, encrypted by the VMs' processes, or through a tunnel. */
import { dirname } from 'node:path';
import type { ClientCredentials, NbdAddress } from '#hypervisor';
import type { HostCredentials } from '../certificates/host-credentials.js';
import type { Log } from '../log.js';
import type { VmTable } from '../vms/vm-table.js';
import type { MigrateJob, MigrationRecord } from './migration-record.js';
import { type Channel, tunnelTarget } from './tunnelled/channel.js';
import { TunnelEntrances } from './tunnelled/entrance.js';

export class Passages {
  private readonly tunnels: TunnelEntrances;

  constructor(
    private readonly vms: VmTable,
    private readonly credentials: HostCredentials,
    log: Log,
  ) {
    this.tunnels = new TunnelEntrances(log);
  }

  /** With what the VM's process encrypts; null: not, or its agent does. Throws VmRefusal without a certificate. */
  tlsFor({ encrypted, tunnelled, destination }: MigrateJob): ClientCredentials | null {
    return encrypted && !tunnelled ? { ...this.credentials.need(), peer: destination.hostId } : null;
  }

  /** What the process is told of the place where the destination waits. */
  async uriOf(record: MigrationRecord, uri: string): Promise<string> {
    return record.order.tunnelled ? `unix:${(await this.dig(record, uri)).memory}` : uri;
  }

  /** The same, of the place where the destination takes disks. */
  async disksOf(record: MigrationRecord): Promise<NbdAddress> {
    return record.order.tunnelled ? { path: (await this.dig(record, record.uri!)).disks } : record.nbd!;
  }

  close(migrationId: string): void {
    this.tunnels.close(migrationId);
  }

  private dig({ migrationId, vmId, order }: MigrationRecord, uri: string): Promise<Record<Channel, string>> {
    const { hostId: peer, ticket } = order.destination;
    const folder = dirname(this.vms.processOf(vmId).handle.qmpSocket);
    const tls = { ...this.credentials.need(), peer };
    return this.tunnels.dig(folder, { migrationId, ticket, tls, ...tunnelTarget(uri)! });
  }
}
