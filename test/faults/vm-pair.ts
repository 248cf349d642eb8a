/** A guest that checks its own memory, or disk, in a real VMM, and others that wait for it; for faults between two VMMs. */
// oxlint-disable vitest/no-standalone-expect -- what is here is called inside of tests
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from '../vmm/process.js';
import type { Means } from './cells.js';

const guest = (name: string) => readFileSync(join(import.meta.dirname, `../../guests/${name}.elf`));
const PAGER = guest('pager');
const DISK = guest('disk');
const SIZE = ['-m', '32M', '-smp', '1'];
const DISK_BYTES = 8 * 2 ** 20;
export const PATIENCE = { timeout: 90_000, interval: 20 };

/** What both ends of each means have to be told before a migration. */
const CAPABILITIES: Record<Means, readonly string[]> = {
  plain: [],
  xbzrle: ['xbzrle'],
  compression: ['compress'],
  multifd: ['multifd'],
  postcopy: ['postcopy-ram'],
};

export interface Look {
  readonly runState: string;
  /** Of query-migrate: what leaves, or what came. */
  readonly status: string | undefined;
  readonly isConfirmed: boolean | null;
  readonly incoming: { readonly status: string; readonly isConnected: boolean } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Migration {
  readonly status?: string;
  readonly 'socket-address'?: readonly { readonly port: string }[];
  readonly 'x-drover'?: { readonly confirmed: boolean | null; readonly error: Look['error'] };
  readonly 'x-drover-incoming'?: {
    readonly status: string;
    readonly isConnected: boolean;
    readonly error: Look['error'];
  };
}

/** One VMM process with its QMP connection. */
export class Vmm {
  isDead = false;

  private constructor(
    readonly process: VmmProcess,
    readonly qmp: QmpClient,
    readonly disk: string | null,
  ) {
    void process.ended.then(() => (this.isDead = true));
  }

  /** A guest that runs, and is checked all the time. */
  static async withGuest({ hasDisk }: { readonly hasDisk: boolean }): Promise<Vmm> {
    const disk = hasDisk ? newDisk() : null;
    const parameters = hasDisk ? 'region=2 rate=500' : 'region=8 rate=max';
    const args = [...SIZE, '-append', parameters, ...driveOf(disk)];
    const process = new VmmProcess(hasDisk ? DISK : PAGER, args);
    const vmm = new Vmm(process, await process.connect(), disk);
    await process.waitForPrinted(hasDisk ? 'disk seq=1 ' : 'pager region=');
    return vmm;
  }

  /** Waits for the guest; see `listen`. `arrivesPaused`: so that both ends can be compared. */
  static async waiting(hasDisk: boolean, arrivesPaused: boolean): Promise<Vmm> {
    const disk = hasDisk ? newDisk() : null;
    const stays = arrivesPaused ? ['-S'] : [];
    const process = new VmmProcess(undefined, [...SIZE, '-incoming', 'defer', ...stays, ...driveOf(disk)]);
    return new Vmm(process, await process.connect(), disk);
  }

  /** Where it waits. */
  async listen(): Promise<string> {
    await this.qmp.execute('migrate-incoming', { uri: 'tcp:127.0.0.1:0' });
    return this.bound();
  }

  async bound(): Promise<string> {
    const { 'socket-address': bound } = await this.qmp.execute<Migration>('query-migrate');
    return `tcp:127.0.0.1:${bound![0]!.port}`;
  }

  set(parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.qmp.execute('migrate-set-parameters', parameters);
  }

  async use(means: Means): Promise<void> {
    const capabilities = CAPABILITIES[means].map((capability) => ({ capability, state: true }));
    await this.qmp.execute('migrate-set-capabilities', { capabilities });
  }

  /** Null: its process has ended. */
  async look(): Promise<Look | null> {
    try {
      const answer = await this.qmp.execute<Migration>('query-migrate'); // its end comes after the run state's change
      const { status: runState } = await this.qmp.execute<{ status: string }>('query-status');
      const [leaving, incoming] = [answer['x-drover'], answer['x-drover-incoming'] ?? null];
      const error = leaving?.error ?? incoming?.error ?? null;
      return { runState, status: answer.status, isConfirmed: leaving?.confirmed ?? null, incoming, error };
    } catch (error) {
      await vi.waitFor(() => expect(this.isDead, String(error)).toBe(true), PATIENCE);
      return null;
    }
  }

  ramHash = async (): Promise<string> => (await this.qmp.execute<{ xxh64: string }>('x-drover-ram-hash')).xxh64;

  diskHash(): string | null {
    return this.disk && createHash('sha256').update(readFileSync(this.disk)).digest('hex');
  }

  /** The guest goes on, and has found nothing wrong. */
  async expectGuest(): Promise<void> {
    const beats = () => this.process.printed().match(/^(pager|disk) seq=/gm)?.length ?? 0;
    const before = beats();
    await vi.waitFor(() => expect(beats(), this.process.stderr).toBeGreaterThan(before), PATIENCE);
    expect(this.process.printed()).not.toContain('ERROR');
  }

  /** What a process has open: connections, and threads. */
  resources(): { readonly sockets: number; readonly threads: number } {
    const folder = `/proc/${this.process.pid}`;
    const targets = readdirSync(`${folder}/fd`).map((fd) => linkOf(`${folder}/fd/${fd}`));
    const sockets = targets.filter((target) => target.startsWith('socket:')).length;
    return { sockets, threads: readdirSync(`${folder}/task`).length };
  }
}

/** Has the disk of one copied to the other's; `port`: where that takes it. Resolves when nothing is left to be copied. */
export async function mirror(from: Vmm, port: number): Promise<void> {
  const server = { type: 'inet', host: '127.0.0.1', port: String(port) };
  await from.qmp.execute('blockdev-add', { driver: 'nbd', 'node-name': 'target', server, export: 'copy' });
  const job = { 'job-id': 'm0', device: 'd0', target: 'target', sync: 'full', 'copy-mode': 'write-blocking' };
  await from.qmp.execute('blockdev-mirror', { ...job, 'auto-dismiss': false });
}

/** Lets its disk be written by a mirror; the port. */
export async function exportDisk(to: Vmm): Promise<number> {
  await to.qmp.execute('nbd-server-start', { addr: { type: 'inet', data: { host: '127.0.0.1', port: '0' } } });
  const options = { writable: true, 'x-drover-unlisted': true };
  await to.qmp.execute('block-export-add', { type: 'nbd', id: 'e0', 'node-name': 'd0', name: 'copy', ...options });
  return Number((await to.qmp.execute<{ port: string }>('x-drover-query-nbd-server')).port);
}

export interface Job {
  readonly device: string;
  readonly ready: boolean;
  readonly status: string;
  readonly error?: string;
}

export const jobsOf = ({ qmp }: Vmm): Promise<Job[]> => qmp.execute<Job[]>('query-block-jobs');

const driveOf = (path: string | null): readonly string[] =>
  path === null ? [] : ['-drive', `file=${path},format=raw,if=none,id=d0`, '-device', 'virtio-blk-device,drive=d0'];

function newDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'drover-faults-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'disk.raw');
  writeFileSync(path, '');
  truncateSync(path, DISK_BYTES);
  return path;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // it has been closed meanwhile
  }
}
