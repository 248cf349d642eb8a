/** The NBD server's QMP commands (QEMU, qapi/block-export.json). A drive's id is its node-name. */
import { boolean, integer, object, oneOf, optional, QmpError, string, type QmpServer } from '#qmp';
import type { Drives } from '../devices/drives.js';
import type { MigrationAddress } from '../migration-address.js';
import type { TlsObjects } from '../tls-credentials.js';
import { fileExport } from './file-export.js';
import type { NbdServer } from './nbd-server.js';

export interface ExportRules {
  /** A disk may be written by clients while no guest of this process can write it. */
  mayBeWritten(): boolean;
}

export interface NbdCommandPorts {
  readonly server: NbdServer;
  readonly drives: Drives;
  readonly tlsObjects: TlsObjects;
  readonly rules: ExportRules;
}

export function registerNbdCommands(qmp: QmpServer, { server, drives, tlsObjects, rules }: NbdCommandPorts): void {
  const limits = { 'max-connections': optional(integer(0, 65_535)), 'tls-creds': optional(string) };
  qmp.register('nbd-server-start', { addr: socketAddress, ...limits }, (given) => {
    const { addr, 'max-connections': most, 'tls-creds': id } = given;
    const tls = id === undefined ? null : tlsObjects.find(id, 'server');
    return refused(() => server.start(addr, tls, most === 0 ? undefined : most));
  });
  qmp.register('nbd-server-stop', {}, () => {
    if (!server.address) throw new QmpError('NBD server not running');
    return server.stop();
  });
  /** Where it listens: with port 0 nobody else knows. */
  qmp.register('x-drover-query-nbd-server', {}, () => {
    const { address } = server;
    if (!address) return {};
    return 'path' in address ? { type: 'unix', ...address } : { type: 'inet', ...address, port: String(address.port) };
  });

  const described = { name: optional(string), description: optional(string), 'x-drover-unlisted': optional(boolean) };
  const added = { type: oneOf('nbd'), id: string, 'node-name': string, writable: optional(boolean), ...described };
  qmp.register('block-export-add', added, (given) => {
    const drive = drives.find(given['node-name']);
    if (!drive) throw new QmpError(`Cannot find device='' nor node-name='${given['node-name']}'`);
    const { file } = drive.disk;
    const isWritable = given.writable ?? false;
    if (isWritable && file.isReadOnly) throw new QmpError(`Block node '${drive.id}' is read-only`);
    if (isWritable && !rules.mayBeWritten()) {
      throw new QmpError(`the guest may write drive ${drive.id}: only a VM that waits for a migration has it written`);
    }
    return refused(() => {
      if (isWritable) file.lock();
      const { name = drive.id, description } = given;
      const isListed = !(given['x-drover-unlisted'] ?? false);
      const options = { name, isListed, isWritable, ...(description !== undefined && { description }) };
      server.add({ id: given.id, drive: drive.id, disk: fileExport(file, options) });
    });
  });
  const removed = { id: string, mode: optional(oneOf('safe', 'hard')) };
  qmp.register('block-export-del', removed, async ({ id, mode = 'safe' }) => {
    if (!server.exports.some((each) => each.id === id)) throw new QmpError(`Export '${id}' is not found`);
    if (mode === 'safe' && server.isInUse(id)) throw new QmpError(`export '${id}' still in use`);
    await server.remove(id);
    qmp.emit('BLOCK_EXPORT_DELETED', { id });
  });
  qmp.register('query-block-exports', {}, () =>
    server.exports.map(({ id, drive }) => ({ id, type: 'nbd', 'node-name': drive, 'shutting-down': false })),
  );
}

/** An Error becomes what the caller is told. */
export async function refused(action: () => Promise<void> | void): Promise<void> {
  try {
    await action();
  } catch (error) {
    throw new QmpError((error as Error).message);
  }
}

const inet = object({ host: string, port: string });
const unix = object({ path: string });

/** QEMU's SocketAddressLegacy: {type, data}. */
function socketAddress(value: unknown, name: string): MigrationAddress {
  const given = object({ type: oneOf('inet', 'unix'), data: (data: unknown) => data })(value, name);
  if (given.type === 'unix') return unix(given.data, `${name}.data`);
  const { host, port } = inet(given.data, `${name}.data`);
  return { host, port: socketPort(port, `${name}.data.port`) };
}

/** QEMU writes ports as strings. */
export function socketPort(port: string, name: string): number {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new QmpError(`argument '${name}' must be a port`);
  return Number(port);
}
