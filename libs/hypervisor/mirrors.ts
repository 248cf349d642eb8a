/** Copies of disks by QMP: blockdev-mirror to exports of another process's NBD server (QEMU, qapi/block-core.json). */
import type { DiskExport, MirrorFigures, NbdAddress } from './hypervisor.js';

const MIB = 2 ** 20;

/** Carries out a QMP command. */
type Execute = <Result = unknown>(command: string, given?: Readonly<Record<string, unknown>>) => Promise<Result>;

/** Ids of a disk's drive, of its block job, and of the node that is copied to. */
export const driveId = (disk: string): string => `disk-${disk}`;
export const jobId = (disk: string): string => `mirror-${disk}`;
const nodeName = (disk: string): string => `target-${disk}`;

interface BlockJob {
  readonly device: string;
  readonly len: number;
  readonly offset: number;
  readonly ready: boolean;
  readonly status: string;
  readonly error?: string;
}

const speedOf = (bandwidthMiBps: number | null): number => Math.round((bandwidthMiBps ?? 0) * MIB);

/** Resolves with the port at which the exports wait to be written. */
export async function exportDisks(execute: Execute, address: string, exports: readonly DiskExport[]): Promise<number> {
  await execute('nbd-server-start', { addr: { type: 'inet', data: { host: address, port: '0' } } });
  for (const { disk, name } of exports) {
    const options = { writable: true, 'x-drover-unlisted': true };
    await execute('block-export-add', { type: 'nbd', id: driveId(disk), 'node-name': driveId(disk), name, ...options });
  }
  return Number((await execute<{ port: string }>('x-drover-query-nbd-server')).port);
}

export async function mirrorDisks(
  execute: Execute,
  { host, port }: NbdAddress,
  exports: readonly DiskExport[],
  bandwidthMiBps: number | null,
): Promise<void> {
  const server = { type: 'inet', host, port: String(port) };
  for (const { disk, name } of exports) {
    await execute('blockdev-add', { driver: 'nbd', 'node-name': nodeName(disk), server, export: name });
    await execute('blockdev-mirror', {
      ...{ 'job-id': jobId(disk), device: driveId(disk), target: nodeName(disk), sync: 'full' },
      ...{ speed: speedOf(bandwidthMiBps), 'copy-mode': 'write-blocking', 'auto-dismiss': false },
    });
  }
}

const jobsOf = (execute: Execute): Promise<BlockJob[]> => execute<BlockJob[]>('query-block-jobs');

export async function queryMirrors(execute: Execute): Promise<MirrorFigures[]> {
  return (await jobsOf(execute)).map(({ device, offset, len, ready, status, error }) => ({
    disk: device.slice(jobId('').length),
    transferredBytes: offset,
    remainingBytes: len - offset,
    isReady: ready,
    error: error ?? (status === 'concluded' ? 'it was ended' : null),
  }));
}

export async function setMirrorSpeed(execute: Execute, bandwidthMiBps: number | null): Promise<void> {
  for (const { device, status } of await jobsOf(execute)) {
    if (status !== 'concluded') await execute('block-job-set-speed', { device, speed: speedOf(bandwidthMiBps) });
  }
}

export async function endMirrors(execute: Execute): Promise<void> {
  for (const { device, status } of await jobsOf(execute)) {
    if (status !== 'concluded') await execute('block-job-cancel', { device, force: true });
    await execute('block-job-dismiss', { id: device });
  }
}
