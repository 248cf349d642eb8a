/** What keeps the VMs' processes of this host apart from it and from each other: found out once, by trying. */
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { confinedCommand, type Confinement } from './confinement.js';
import { ControlGroups, limitsOf } from './control-group.js';
import { look, programView } from './file-view.js';

/**
 * own_user: a user of the VM's own. own_files: sees no files but its own and the programs. no_new_privileges,
 * system_calls: see drover-vmm -sandbox. limits: memory, CPU and threads by control group.
 */
export const MEASURES = ['own_user', 'own_files', 'no_new_privileges', 'system_calls', 'limits'] as const;
export type Measure = (typeof MEASURES)[number];

export interface MeasureState {
  readonly measure: Measure;
  readonly inForce: boolean;
  /** Why it is not in force; empty if it is. */
  readonly reason: string;
}

export interface IsolationOptions {
  /** The VMM's main.js. */
  readonly program: string;
  /** Users that VMs may run as, by number. */
  readonly users: { readonly from: number; readonly to: number };
  /** Tells this agent's groups from those of others on the same machine. */
  readonly owner: string;
}

/** What is needed of a VM to confine its process. */
export interface ConfinedVm {
  readonly vmId: string;
  /** Tells its process from others of the same owner. */
  readonly name: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Files and folders beside the programs that the process may read, and that it may write. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Devices that it uses; its user is in their groups. */
  readonly devices: readonly string[];
  /** An empty folder that the process does not need. */
  readonly root: string;
}

const TRIAL_TIMEOUT_MS = 20_000;
const LONGEST_REASON = 500;
const run = promisify(execFile);

/** What is tried; no_new_privileges goes with each. */
interface Attempt {
  readonly user: boolean;
  readonly files: boolean;
  readonly sandbox: boolean;
}
const NOTHING: Attempt = { user: false, files: false, sandbox: false };

export class Isolation {
  private constructor(
    private readonly options: IsolationOptions,
    private readonly has: Attempt,
    private readonly groups: ControlGroups | undefined,
    /** One for each measure, in their order. */
    readonly measures: readonly MeasureState[],
  ) {}

  /** Nothing is tried and nothing is done. */
  static none(program: string, reason: string): Isolation {
    const measures = MEASURES.map((measure) => ({ measure, inForce: false, reason }));
    return new Isolation({ program, users: { from: 0, to: 0 }, owner: '' }, NOTHING, undefined, measures);
  }

  /** Tries each measure with the VMM itself; what this host does not offer is told in `measures`. Never throws. */
  static async probe(options: IsolationOptions): Promise<Isolation> {
    const reasons = await findOut(options);
    let groups: ControlGroups | undefined;
    const limits = await attempt(() => {
      groups = ControlGroups.open();
      groups.sweep(groupPrefix(options.owner));
    });
    const all = { ...reasons, limits };
    const measures = MEASURES.map((measure) => ({ measure, inForce: all[measure] === '', reason: all[measure] }));
    const { own_user: user, own_files: files, system_calls: sandbox } = reasons;
    return new Isolation(
      options,
      { user: user === '', files: files === '', sandbox: sandbox === '' },
      groups,
      measures,
    );
  }

  /** Options of the VMM's own. */
  get vmmArguments(): string[] {
    return this.has.sandbox ? ['-sandbox', 'on'] : [];
  }

  /** The user that a VM's process runs as; undefined: that of the agent. The same on every host with the same range. */
  userOf(vmId: string): number | undefined {
    const { from, to } = this.options.users;
    return this.has.user ? from + (hash(vmId).readUInt32BE(0) % (to - from + 1)) : undefined;
  }

  /** What `command` becomes, to be run with fewer rights. Makes the VM's control group. */
  confine(vm: ConfinedVm, command: readonly string[]): string[] {
    if (this.measures.every(({ inForce }) => !inForce)) return [...command];
    const { vmId, name, readable, writable, devices, root } = vm;
    const user = this.userOf(vmId);
    const groups = this.groups?.create(this.groupOf(name), limitsOf(vm)) ?? [];
    const shown = () => [
      ...programView(this.options.program),
      ...readable.map((path) => look(path, 'read')),
      ...writable.map((path) => look(path, 'write')),
      ...devices.map((path) => look(path, 'device')),
    ];
    const files = this.has.files && { root, shown: shown(), asUser: !isRoot() };
    const userGroups = devices.map((path) => statSync(path).gid);
    return confinedCommand(
      { ...(user !== undefined && { user, userGroups }), ...(files && { files }), groups },
      command,
    );
  }

  /** After the process of that name has ended. */
  forget(name: string): void {
    this.groups?.remove(this.groupOf(name));
  }

  private groupOf(name: string): string {
    return `${groupPrefix(this.options.owner)}${name}`;
  }
}

const isRoot = () => process.getuid?.() === 0;
const hash = (text: string) => createHash('sha256').update(text).digest();
const groupPrefix = (owner: string) => `${hash(owner).toString('hex').slice(0, 8)}-`;

/** Why each measure fails; empty for those that work. Usually all do, which takes one trial. */
async function findOut(options: IsolationOptions): Promise<Record<Exclude<Measure, 'limits'>, string>> {
  const notRoot = 'the agent does not run as root';
  const everything = await attempt(() => trial(options, { user: isRoot(), files: true, sandbox: true }));
  if (everything === '') {
    return { own_user: isRoot() ? '' : notRoot, own_files: '', no_new_privileges: '', system_calls: '' };
  }
  const files = await attempt(() => trial(options, { ...NOTHING, files: true }));
  const user = isRoot()
    ? await attempt(() => trial(options, { ...NOTHING, files: files === '', user: true }))
    : notRoot;
  const sandbox = await attempt(() => trial(options, { ...NOTHING, sandbox: true }));
  const privileges = await attempt(() => trial(options, NOTHING));
  return { own_user: user, own_files: files, no_new_privileges: privileges, system_calls: sandbox };
}

/** Runs the VMM as a VM's process would be, only to tell its version. Rejects with an Error if it does not. */
async function trial({ program, users }: IsolationOptions, has: Attempt): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-trial-'));
  try {
    const files = has.files && { root: folder, shown: programView(program), asUser: !isRoot() };
    const confinement: Confinement = { ...(has.user && { user: users.from }), ...(files && { files }), groups: [] };
    const vmm = [process.execPath, program, ...(has.sandbox ? ['-sandbox', 'on'] : []), '-version'];
    const [file, ...args] = confinedCommand(confinement, vmm) as [string, ...string[]];
    const { stdout } = await run(file, args, { timeout: TRIAL_TIMEOUT_MS, env: { PATH: process.env.PATH } });
    if (!stdout.startsWith('drover-vmm ')) throw new Error(`the VMM said ${stdout.trim()}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Empty, or in one line why it failed. */
async function attempt(action: () => Promise<void> | void): Promise<string> {
  try {
    await action();
    return '';
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim().split('\n').at(-1) || message.split('\n')[0]!).slice(0, LONGEST_REASON);
  }
}
