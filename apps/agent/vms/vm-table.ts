/** The VMs of this host: their records on disk and the processes that belong to them. */
import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VmSpec } from '#contracts';
import { makeVmFolder, STANDARD_DEVICES, type VmEnd, type VmHandle, type VmPlace, type VmProcess } from '#hypervisor';
import type { Log } from '../log.js';
import type { NicPort } from '../network/switch-thread.js';
import type { JsonStore } from '../state/json-store.js';
import type { DiskFiles } from './disk-files.js';
import type { Hypervisors } from './hypervisors.js';
import { findImage } from './images.js';
import { Locks } from './locks.js';
import { describeEnd } from './report.js';
import type { VmRecord } from './vm-record.js';
import { VmRefusal } from './vm-refusal.js';

/** How long a process may take to end in order before it is killed. */
const QUIT_GRACE_MS = 5_000;
/** How long a new process may take until it answers, and one that runs already. */
const LAUNCH_TIMEOUT_MS = 20_000;
const ADOPT_TIMEOUT_MS = 3_000;
/** When a process is tried again that runs, but did not answer. */
const ADOPT_RETRY_MS = 2_000;
/** How long a VM that is not here any more is known: longer than any order waits in a queue. */
const GONE_KEPT_MS = 24 * 3_600_000;

interface Folders {
  /** Where images are looked for, in this order. */
  readonly images: readonly string[];
  /** Console and log of each VM are in a folder below it. */
  readonly vms: string;
  /** Sockets of each VM are in a folder below it. */
  readonly runtime: string;
  /** Sockets of this host's devices that guests may have, by name. */
  readonly hostDevices?: ReadonlyMap<string, string>;
}

/** Name of the longest socket below the folder for sockets. */
export const LONGEST_SOCKET = '00000000-0000-0000-0000-000000000000/nic0.sock';

/** Where the NICs of VMs are plugged in. */
interface Ports {
  /** Resolves when the VM's process may connect. */
  plug(vmId: string, nics: readonly NicPort[]): Promise<void>;
  unplug(vmId: string): Promise<void>;
}

export class VmTable {
  private readonly processes = new Map<string, VmProcess>();
  /** Why a process is being ended: the words for its report. */
  private readonly endings = new Map<string, string>();
  private readonly locks = new Locks();

  constructor(
    private readonly store: JsonStore<VmRecord>,
    private readonly hypervisors: Pick<Hypervisors, 'of'>,
    private readonly folders: Folders,
    private readonly ports: Ports,
    readonly disks: DiskFiles,
    private readonly log: Log,
  ) {}

  records(): VmRecord[] {
    return this.store.all();
  }

  record(vmId: string): VmRecord | undefined {
    return this.store.get(vmId);
  }

  /** The VM's connected process; undefined if it has none. */
  process(vmId: string): VmProcess | undefined {
    return this.processes.get(vmId);
  }

  /** The same; throws VmRefusal if it has none. */
  processOf(vmId: string): VmProcess {
    const process = this.processes.get(vmId);
    if (!process) throw new VmRefusal('no_process', `VM ${vmId} has no process on this host now`);
    return process;
  }

  /** Memory promised to the VMs that are here or arrive. */
  promisedMiB(): number {
    const here = this.records().filter(isHere);
    return here.reduce((sum, { spec }) => sum + spec.memoryMiB, 0);
  }

  /** Runs `action` when nothing else is being done to that VM. */
  exclusively<T>(vmId: string, action: () => Promise<T>): Promise<T> {
    return this.locks.run(vmId, action);
  }

  create(vmId: string, epoch: number, spec: VmSpec, change: Pick<VmRecord, 'phase'> & Partial<VmRecord>): void {
    const blank = { process: null, incoming: null, leaving: null, end: null, makeDisks: false, goneAt: null };
    this.store.put(vmId, { ...blank, vmId, epoch, spec, ...change });
  }

  update(vmId: string, change: Partial<VmRecord>): void {
    const goneAt = change.phase === 'gone' ? { goneAt: new Date().toISOString() } : {};
    this.store.put(vmId, { ...this.store.get(vmId)!, ...goneAt, ...change });
  }

  /**
   * Forgets VMs that have been gone for so long that no order of their time can come any more, with what they left in
   * their folders. One that has a disk here stays known, for whoever looks where that comes from.
   */
  async forgetGone(nowMs: number): Promise<void> {
    for (const { vmId } of this.records().filter(({ phase }) => phase === 'gone')) {
      await this.exclusively(vmId, async () => {
        const record = this.record(vmId);
        if (record?.phase !== 'gone') return;
        const { goneAt, spec } = record;
        if (goneAt === null) return this.update(vmId, { phase: 'gone' }); // by an agent that did not write down when
        if (nowMs - Date.parse(goneAt) < GONE_KEPT_MS || this.disks.areHere(vmId, spec.disks)) return;
        await rm(this.placeOf(vmId).folder, { recursive: true, force: true });
        this.store.remove(vmId);
        this.log.info({ vmId, goneAt }, 'VM forgotten that left long ago');
      });
    }
  }

  /** After a start of the agent: finds the VMs' processes again, and brings what was interrupted to an end. */
  async adoptAll(): Promise<void> {
    await Promise.all(this.records().map(({ vmId }) => this.exclusively(vmId, () => this.adopt(vmId))));
  }

  /** Starts the process of a VM whose record says `starting`, and its guest. A failure is written down, not thrown. */
  async bringUp(vmId: string): Promise<void> {
    try {
      const process = await this.launch(vmId);
      await this.runGuest(vmId, process);
      this.log.info({ vmId, pid: process.handle.pid, epoch: this.record(vmId)?.epoch }, 'VM started');
    } catch (error) {
      const message = (error as Error).message;
      this.log.error({ vmId }, `VM did not start: ${message}`);
      await this.end(vmId, message, { atOnce: true });
      if (typeof this.record(vmId)?.end?.exitCode === 'number') return; // the guest was faster than the answer to `cont`
      this.update(vmId, { phase: 'ended', end: { status: 'failed', exitCode: null, message } });
    }
  }

  /** Starts the process of a VM and connects to it; its guest does not run yet. */
  async launch(vmId: string): Promise<VmProcess> {
    const { spec, phase, makeDisks, devices = STANDARD_DEVICES } = this.store.get(vmId)!;
    const image = findImage(this.folders.images, spec.image);
    if (!image) {
      const places = this.folders.images.join(', ');
      throw new VmRefusal('image_missing', `there is no image ${spec.image} on this host (looked in ${places})`);
    }
    await this.disks.provide(vmId, spec.disks, makeDisks);
    await this.plugIn(vmId);
    const { vcpus, memoryMiB, append } = spec;
    const incoming = phase === 'incoming';
    const nics = this.portsOf(vmId).map((port) => ({ ...port, hostDevice: this.deviceOf(port) }));
    const disks = spec.disks.map((disk) => ({ name: disk.name, path: this.disks.pathOf(vmId, disk) }));
    const launch = { vmId, vcpus, memoryMiB, append, nics, disks, devices, incoming, ...image, ...this.placeOf(vmId) };
    const hypervisor = this.hypervisors.of(spec);
    const handle = await hypervisor.launch(launch);
    this.update(vmId, { process: handle });
    try {
      return await this.attach(vmId, handle, LAUNCH_TIMEOUT_MS);
    } catch (error) {
      hypervisor.kill(handle);
      throw error;
    }
  }

  /** Ends the process, in order or at once; returns when it is gone and that is written down. */
  async end(vmId: string, message: string, { atOnce = false } = {}): Promise<void> {
    const process = this.processes.get(vmId);
    if (!process) return this.endUnconnected(vmId, message);
    this.endings.set(vmId, message);
    if (atOnce) process.kill();
    else await process.quit().catch((error: Error) => this.log.debug({ vmId }, error.message));
    const isGone = process.ended.then(() => true);
    if (!(await Promise.race([isGone, sleep(QUIT_GRACE_MS, false, { ref: false })]))) {
      this.log.warn({ vmId, pid: process.handle.pid }, 'its process did not end in time: killing it');
      process.kill();
    }
    this.noteEndOf(vmId, process, await process.ended);
  }

  /** Says what is told if the process ends soon. */
  announceEnd(vmId: string, message: string): void {
    this.endings.set(vmId, message);
  }

  /** The agent ends; VMs run on. */
  release(): void {
    for (const process of this.processes.values()) process.release();
  }

  private endUnconnected(vmId: string, message: string): void {
    const record = this.record(vmId);
    if (!record?.process) return;
    const hypervisor = this.hypervisors.of(record.spec);
    if (!hypervisor.isAlive(record.process)) return;
    this.endings.set(vmId, message);
    hypervisor.kill(record.process);
    this.noteEnd(vmId, { exitCode: null, signal: 'SIGKILL', byGuest: false, lastLogLine: '' });
  }

  private async adopt(vmId: string): Promise<void> {
    const record = this.store.get(vmId)!;
    if (this.processes.has(vmId) || !isHere(record)) return;
    const hypervisor = this.hypervisors.of(record.spec);
    const handle = record.process ?? (await hypervisor.find(this.placeOf(vmId)));
    if (!handle && record.phase === 'starting') return this.bringUp(vmId);
    if (!handle || !hypervisor.isAlive(handle)) {
      const lastLogLine = handle ? hypervisor.lastLogLine(handle) : '';
      return this.noteEnd(vmId, { exitCode: null, signal: null, byGuest: false, lastLogLine });
    }
    try {
      await this.plugIn(vmId);
      const process = await this.attach(vmId, handle, ADOPT_TIMEOUT_MS);
      this.log.info({ vmId, pid: handle.pid, phase: record.phase }, 'VM found again');
      if (record.phase === 'starting') await this.runGuest(vmId, process);
      if (record.phase === 'stopping') await this.end(vmId, 'stopped by order');
    } catch (error) {
      this.log.warn({ vmId, pid: handle.pid }, `VM runs, but does not answer: ${(error as Error).message}`);
      setTimeout(() => void this.exclusively(vmId, () => this.adopt(vmId)), ADOPT_RETRY_MS).unref();
    }
  }

  /** The VM's network cards, each with the socket of its port. */
  private portsOf(vmId: string): NicPort[] {
    const { runtimeFolder } = this.placeOf(vmId);
    const { nics, hypervisor } = this.store.get(vmId)!.spec;
    const isQemu = hypervisor === 'qemu';
    return nics.map((nic, index) => ({ ...nic, isQemu, socket: join(runtimeFolder, `nic${index}.sock`) }));
  }

  /** Throws VmRefusal if this host has no device of that name. */
  private deviceOf({ hostDevice }: NicPort): { readonly socket: string } | undefined {
    if (hostDevice === undefined) return undefined;
    const socket = this.folders.hostDevices?.get(hostDevice);
    if (socket && existsSync(socket)) return { socket };
    const remedy = socket ? `nobody is at ${socket}` : "name its socket in the agent's DROVER_HOST_DEVICES";
    throw new VmRefusal('host_device_missing', `this host has no device ${hostDevice} for guests: ${remedy}`);
  }

  /** Before the process connects; a process that runs already connects again. */
  private async plugIn(vmId: string): Promise<void> {
    const nics = this.portsOf(vmId);
    if (nics.length === 0) return;
    makeVmFolder(this.placeOf(vmId).runtimeFolder);
    await this.ports.plug(vmId, nics);
  }

  private async attach(vmId: string, handle: VmHandle, timeoutMs: number): Promise<VmProcess> {
    const process = await this.hypervisors.of(this.store.get(vmId)!.spec).connect(handle, timeoutMs);
    this.processes.set(vmId, process);
    this.update(vmId, { process: handle });
    void process.ended.then((end) => this.noteEndOf(vmId, process, end));
    return process;
  }

  /** A process starts with its guest stopped, so that nothing of the guest's life is missed. */
  private async runGuest(vmId: string, process: VmProcess): Promise<void> {
    await process.cont();
    if (this.record(vmId)?.phase === 'starting') this.update(vmId, { phase: 'running' });
  }

  private noteEndOf(vmId: string, process: VmProcess, end: VmEnd): void {
    if (this.processes.get(vmId) !== process) return; // noted already
    this.processes.delete(vmId);
    this.noteEnd(vmId, end);
  }

  /** Writes down that the process is gone. */
  private noteEnd(vmId: string, end: VmEnd): void {
    const { leaving, phase } = this.store.get(vmId)!;
    const report = describeEnd(end, this.endings.get(vmId) ?? null);
    this.endings.delete(vmId);
    void this.ports.unplug(vmId);
    this.log[report.status === 'failed' ? 'warn' : 'info']({ vmId, ...report }, 'the process of a VM has ended');
    if (leaving)
      this.update(vmId, { end: report }); // the migration decides what that means
    else if (phase === 'incoming' && !end.byGuest) this.update(vmId, { phase: 'gone', end: report });
    else this.update(vmId, { phase: 'ended', end: report });
  }

  private placeOf(vmId: string): VmPlace {
    return { folder: join(this.folders.vms, vmId), runtimeFolder: join(this.folders.runtime, vmId) };
  }
}

const isHere = ({ phase }: VmRecord): boolean => phase !== 'ended' && phase !== 'gone';
