/** Copies of disks by QMP: blockdev-mirror to exports of another process's NBD server (QEMU, qapi/block-core.json). */
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpCommandError } from '#qmp';
import type { DiskExport, MirrorFigures, NbdAddress } from './hypervisor.js';

const MIB = 2 ** 20;
/** How often a copy that becomes equal is looked at: its guest stands still. */
const COMPLETE_POLL_MS = 2;

/** Carries out a QMP command. */
type Execute = <Result = unknown>(command: string, given?: Readonly<Record<string, unknown>>) => Promise<Result>;

/** Ids of credentials, and whom a client's peer must name. */
export interface DiskTls {
  readonly id: string;
  readonly peer?: string;
}

/** Ids of a disk's drive, of its block job, and of the node that is copied to. */
export const driveId = (disk: string): string => `disk-${disk}`;
export const jobId = (disk: string): string => `mirror-${disk}`;
const diskOf = (job: string): string => job.slice(jobId('').length);
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

/** Port 0 means any free one. `tls`: null: not encrypted. */
export async function startNbdServer(
  execute: Execute,
  address: string,
  port: number,
  tls: DiskTls | null,
): Promise<void> {
  const addr = { type: 'inet', data: { host: address, port: String(port) } };
  await execute('nbd-server-start', { addr, ...(tls && { 'tls-creds': tls.id }) });
}

/** The exports wait to be written. `options`: of the program's own. */
export async function addExports(
  execute: Execute,
  exports: readonly DiskExport[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  for (const { disk, name } of exports) {
    const node = { id: driveId(disk), 'node-name': driveId(disk), name };
    await execute('block-export-add', { type: 'nbd', ...node, writable: true, ...options });
  }
}

export async function mirrorDisks(
  execute: Execute,
  at: NbdAddress,
  exports: readonly DiskExport[],
  bandwidthMiBps: number | null,
  tls: DiskTls | null,
): Promise<void> {
  const server = 'path' in at ? { type: 'unix', ...at } : { type: 'inet', host: at.host, port: String(at.port) };
  const secured = tls && { 'tls-creds': tls.id, 'tls-hostname': tls.peer };
  for (const { disk, name } of exports) {
    await execute('blockdev-add', { driver: 'nbd', 'node-name': nodeName(disk), server, export: name, ...secured });
    await execute('blockdev-mirror', {
      ...{ 'job-id': jobId(disk), device: driveId(disk), target: nodeName(disk), sync: 'full' },
      ...{ speed: speedOf(bandwidthMiBps), 'copy-mode': 'write-blocking', 'auto-dismiss': false },
    });
  }
}

const jobsOf = (execute: Execute): Promise<BlockJob[]> => execute<BlockJob[]>('query-block-jobs');

export async function queryMirrors(execute: Execute): Promise<MirrorFigures[]> {
  return (await jobsOf(execute)).map(({ device, offset, len, ready, status, error }) => ({
    disk: diskOf(device),
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
    await closeTarget(execute, diskOf(device));
  }
}

/** The guest is stopped: all copies become equal and end. Rejects if there is none, or one that is not whole. */
export async function completeMirrors(execute: Execute): Promise<void> {
  const jobs = await jobsOf(execute);
  if (jobs.length === 0) throw new Error('its disks are not copied any more');
  const early = jobs.find(({ ready }) => !ready);
  if (early) throw new Error(`disk ${diskOf(early.device)} has no whole copy at the destination`);
  for (const { device } of jobs) await execute('block-job-cancel', { device });
  for (const { device } of jobs) {
    await ended(execute, device);
    await execute('block-job-dismiss', { id: device });
    await closeTarget(execute, diskOf(device));
  }
}

/** Rejects if the copy failed at the last moment. */
async function ended(execute: Execute, id: string): Promise<void> {
  for (;;) {
    const job = (await jobsOf(execute)).find(({ device }) => device === id);
    if (job?.error !== undefined) throw new Error(`disk ${diskOf(id)}: ${job.error}`);
    if (!job || job.status === 'concluded') return;
    await sleep(COMPLETE_POLL_MS);
  }
}

/** A connection that was lost has taken it along, with Drover's own VMM. */
async function closeTarget(execute: Execute, disk: string): Promise<void> {
  try {
    await execute('blockdev-del', { 'node-name': nodeName(disk) });
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error;
  }
}
