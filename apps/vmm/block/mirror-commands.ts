/** QMP commands of mirrors (QEMU, qapi/block-core.json): a drive is copied to an export of another NBD server. */
import type { Clock } from '#migration';
import { boolean, integer, object, oneOf, optional, QmpError, string, type QmpServer } from '#qmp';
import type { Drives } from '../devices/drives.js';
import type { MigrationAddress } from '../migration-address.js';
import type { TlsObjects } from '../tls-credentials.js';
import type { Mirror, MirrorEnd } from './mirror.js';
import { summary } from './mirror-events.js';
import type { MirrorJobs } from './mirror-jobs.js';
import { refused, socketPort } from './nbd-commands.js';
import type { NbdNodes } from './nbd-nodes.js';

const speedCheck = optional(integer(0));
const copyModeCheck = optional(oneOf('background', 'write-blocking'));

export interface MirrorCommandPorts {
  readonly drives: Drives;
  readonly nodes: NbdNodes;
  readonly jobs: MirrorJobs;
  readonly tlsObjects: TlsObjects;
  readonly clock: Clock;
}

export function registerMirrorCommands(
  qmp: QmpServer,
  { drives, nodes, jobs, tlsObjects, clock }: MirrorCommandPorts,
): void {
  const jobOf = (id: string): Mirror => {
    const job = jobs.find(id);
    if (!job) throw new QmpError(`Block job '${id}' not found`, 'DeviceNotActive');
    return job;
  };

  const nbd = { driver: oneOf('nbd'), 'node-name': string, server: inetServer, export: optional(string) };
  const tls = { 'tls-creds': optional(string), 'tls-hostname': optional(string) };
  qmp.register('blockdev-add', { ...nbd, ...tls }, (given) => {
    const { 'node-name': name, server, export: exportName = '', 'tls-creds': id } = given;
    const { 'tls-hostname': hostname = 'host' in server ? server.host : '' } = given;
    const secured = id === undefined ? null : { credentials: tlsObjects.find(id, 'client'), hostname };
    return refused(async () => void (await nodes.open(name, server, exportName, secured)));
  });
  qmp.register('blockdev-del', { 'node-name': string }, ({ 'node-name': name }) => {
    const node = nodes.find(name);
    if (!node) throw new QmpError(`Failed to find node with node-name='${name}'`);
    if (jobs.isTarget(node.client)) throw new QmpError(`Node '${name}' is busy: block device is in use by block job`);
    return node.client.disconnect();
  });

  const mirror = {
    ...{ 'job-id': string, device: string, target: string, sync: oneOf('full', 'none') },
    ...{ speed: speedCheck, 'copy-mode': copyModeCheck, 'auto-dismiss': optional(boolean) },
  };
  qmp.register('blockdev-mirror', mirror, (given) => {
    const { 'job-id': id, speed = 0, 'copy-mode': copyMode = 'background', sync } = given;
    const drive = drives.find(given.device);
    if (!drive) throw new QmpError(`Cannot find device='${given.device}' nor node-name='${given.device}'`);
    const node = nodes.find(given.target);
    if (!node) throw new QmpError(`Cannot find node-name='${given.target}': blockdev-add comes first`);
    const options = { id, device: drive.id, disk: drive.disk, target: node.client, sync, copyMode, speed, clock };
    return refused(() => jobs.start(options, given['auto-dismiss']));
  });

  qmp.register('query-block-jobs', {}, () => jobs.list.map(describe));
  qmp.register('block-job-set-speed', { device: string, speed: integer(0) }, ({ device, speed }) =>
    jobOf(device).setSpeed(speed),
  );
  const changed = { id: string, type: oneOf('mirror'), 'copy-mode': oneOf('write-blocking') };
  qmp.register('block-job-change', changed, ({ id, 'copy-mode': copyMode }) => {
    jobOf(id).copyMode = copyMode;
  });
  /** A job that is ready ends with a copy of this moment, unless it is forced to end at once. */
  const cancelled = { device: string, force: optional(boolean) };
  qmp.register('block-job-cancel', cancelled, ({ device, force = false }) => {
    const job = jobOf(device);
    if (force || job.status === 'running') return jobs.cancel(device);
    return job.complete(false);
  });
  qmp.register('block-job-dismiss', { id: string }, ({ id }) => refused(() => jobs.dismiss(jobOf(id).id)));
  qmp.register('block-job-complete', { device: string }, ({ device }) => {
    throw new QmpError(
      `job '${jobOf(device).id}': a VM here stays with its own file; block-job-cancel ends a mirror that is ready`,
    );
  });
}

const describe = ({ job, end }: { readonly job: Mirror; readonly end?: MirrorEnd }) => ({
  ...summary(job),
  busy: job.remainingBytes > 0,
  paused: false,
  'io-status': 'ok',
  ready: job.status === 'ready' || job.status === 'pending',
  status: job.status,
  'auto-finalize': true,
  'auto-dismiss': end === undefined,
  ...(end?.kind === 'failed' && { error: end.error.message }),
  'x-drover': { drive: job.device, 'zero-bytes': job.zeroBytes, 'copy-mode': job.copyMode },
});

/** QEMU's SocketAddress, of an NBD server. */
function inetServer(value: unknown, name: string): MigrationAddress {
  const kind = (value as { type?: unknown } | null)?.type;
  if (kind === 'unix') {
    const { path } = object({ type: oneOf('unix'), path: string })(value, name);
    return { path };
  }
  const { host, port } = object({ type: oneOf('inet'), host: string, port: string })(value, name);
  return { host, port: socketPort(port, `${name}.port`) };
}
