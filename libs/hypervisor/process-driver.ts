/** What the drivers have in common: a detached process for each VM that speaks QMP, found again by its socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '#qmp';
import { checkpointFolder } from './checkpoint-file.js';
import { openFifo } from './console.js';
import type { Hypervisor, LaunchSpec, VmHandle, VmPlace, VmProcess } from './hypervisor.js';
import type { Isolation } from './isolation/isolation.js';
import { isAlive, pidsWithArgument, startTimeOf } from './process-table.js';
import { lastLine } from './process-log.js';
import { AGENT_PORT, type Exit } from './qmp-process.js';
import { checkSocketPath, makeVmFolder } from './runtime-folder.js';

const CONNECT_RETRY_MS = 50;
/** How often a process that is not our child is looked at. */
const WATCH_MS = 250;

export interface VmSockets {
  readonly qmpSocket: string;
  readonly agentSocket: string;
}

/** Value of -qmp, by which a process is found again. */
export const qmpOption = (socket: string) => `unix:${socket},server=on,wait=off`;

type Devices = Pick<LaunchSpec, 'devices'>;

/** The balloon, if the VM has one; `bus`: what virtio devices are attached to. */
export const balloonArguments = ({ devices }: Devices, bus: string): string[] =>
  devices.includes('balloon')
    ? ['-device', `virtio-balloon-${bus},id=balloon0,deflate-on-oom=on,free-page-reporting=on`]
    : [];

/** The port of the guest's agent, if the VM has one. */
export const agentArguments = ({ devices }: Devices, bus: string, agentSocket: string): string[] =>
  devices.includes('guest_agent')
    ? [
        ...['-chardev', `socket,id=${AGENT_PORT},path=${escaped(agentSocket)},server=on,wait=off`],
        ...['-device', `virtio-serial-${bus},max_ports=2`],
        ...['-device', `virtserialport,id=${AGENT_PORT},chardev=${AGENT_PORT},name=org.qemu.guest_agent.0`],
      ]
    : [];

/** A comma ends a property, unless it is doubled. */
export const escaped = (path: string) => path.replaceAll(',', ',,');

export abstract class ProcessDriver implements Hypervisor {
  /** How our own children ended. */
  private readonly exits = new Map<number, Promise<Exit>>();

  /** Processes are as isolated as the host allows. */
  constructor(protected readonly isolation: Isolation) {}

  /** The program, by its path, and its arguments; nothing secret is in it, for everybody on the host can read it. */
  protected abstract command(spec: LaunchSpec, sockets: VmSockets): string[];

  /** Devices of the host that the program uses. */
  protected readonly devices: readonly string[] = [];

  protected abstract attach(handle: VmHandle, qmp: QmpClient, exit: Promise<Exit>): VmProcess;

  async launch(spec: LaunchSpec): Promise<VmHandle> {
    const files = this.filesOf(spec);
    const checkpoints = checkpointFolder(spec.folder);
    for (const folder of [spec.runtimeFolder, checkpoints]) makeVmFolder(folder);
    const [program, ...args] = this.isolated(spec, this.command(spec, files));
    const user = this.isolation.userOf(spec.vmId);
    // Its sockets, disks and checkpoint are the process's own.
    const own = [spec.runtimeFolder, checkpoints, ...spec.disks.map(({ path }) => path)];
    if (user !== undefined) for (const path of own) chownSync(path, user, user);
    // Output starts anew with each process: a console's offsets count from its beginning.
    const stdio = [
      openFifo(files.consoleInput),
      openSync(files.consoleLog, 'w', 0o600),
      openSync(files.log, 'w', 0o600),
    ];
    const env = { PATH: process.env.PATH };
    const child = spawn(program, args, { detached: true, stdio, env, cwd: '/' });
    for (const descriptor of stdio) closeSync(descriptor);
    const pid = await pidOf(child);
    const exit = new Promise<Exit>((done) => child.once('exit', (exitCode, signal) => done({ exitCode, signal })));
    this.exits.set(pid, exit);
    void exit.then(() => this.exits.delete(pid));
    child.unref();
    return { pid, startTime: startTimeOf(pid) ?? '', ...files };
  }

  private isolated(spec: LaunchSpec, command: readonly string[]): [string, ...string[]] {
    const root = join(spec.folder, 'root');
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const files = {
      readable: [spec.kernel, spec.initrd].filter((file) => file !== undefined),
      writable: [
        ...[spec.runtimeFolder, checkpointFolder(spec.folder), ...spec.disks.map(({ path }) => path)],
        ...spec.nics.flatMap(({ hostDevice }) => hostDevice?.socket ?? []),
      ],
      devices: this.devices,
    };
    const { vcpus, memoryMiB, vmId } = spec;
    const name = basename(spec.runtimeFolder);
    return this.isolation.confine({ vmId, name, vcpus, memoryMiB, root, ...files }, command) as [string, ...string[]];
  }

  async connect(handle: VmHandle, timeoutMs: number): Promise<VmProcess> {
    const exit = this.exits.get(handle.pid) ?? watch(handle);
    void exit.then(() => this.isolation.forget(basename(dirname(handle.qmpSocket))));
    for (const endMs = Date.now() + timeoutMs; ;) {
      try {
        return this.attach(handle, await QmpClient.connect({ path: handle.qmpSocket }, { timeoutMs }), exit);
      } catch (error) {
        if (!isAlive(handle))
          throw new Error(this.lastLogLine(handle) || 'its process ended at once', { cause: error });
        if (Date.now() > endMs) throw error;
      }
      await sleep(CONNECT_RETRY_MS);
    }
  }

  async find(place: VmPlace): Promise<VmHandle | null> {
    const files = this.filesOf(place);
    const [pid] = pidsWithArgument(qmpOption(files.qmpSocket));
    const startTime = pid === undefined ? null : startTimeOf(pid);
    return pid === undefined || startTime === null ? null : { pid, startTime, ...files };
  }

  isAlive(handle: VmHandle): boolean {
    return isAlive(handle);
  }

  kill(handle: VmHandle): void {
    if (isAlive(handle)) process.kill(handle.pid, 'SIGKILL');
  }

  lastLogLine(handle: VmHandle): string {
    return lastLine(handle.log);
  }

  private filesOf({ folder, runtimeFolder }: VmPlace) {
    return {
      qmpSocket: checkSocketPath(join(runtimeFolder, 'qmp.sock')),
      consoleLog: join(folder, 'console.log'),
      agentSocket: checkSocketPath(join(runtimeFolder, 'agent.sock')),
      consoleInput: join(folder, 'console.in'), // not where the process could put another file in its place
      log: join(folder, 'vmm.log'),
    };
  }
}

function pidOf(child: ChildProcess): Promise<number> {
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('spawn', () => done(child.pid!));
  });
}

/** How a process ends that is not our child: only that it does can be seen. */
async function watch(handle: VmHandle): Promise<Exit> {
  while (isAlive(handle)) await sleep(WATCH_MS, undefined, { ref: false });
  return { exitCode: null, signal: null };
}
