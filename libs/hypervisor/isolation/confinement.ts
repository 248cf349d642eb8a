/**
 * How a VM's process is started with less than its agent has: a chain of programs of util-linux, each of which gives
 * something up and becomes the next (execve, so the process id stays), the last of them the VMM. Pure.
 */
import { dirname } from 'node:path';
import type { Shown } from './file-view.js';

/** What the chain does; what is absent is not done. */
export interface Confinement {
  /** A user and group of the VM's own, by number. Takes root. */
  readonly user?: number;
  /** Groups that this user is in besides. */
  readonly userGroups?: readonly number[];
  /** File names that exist for the process, and no others. */
  readonly files?: {
    /** An empty folder: where the new root is put together. */
    readonly root: string;
    readonly shown: readonly Shown[];
    /** The agent is not root: a user namespace gives it the right to do this, in there. */
    readonly asUser: boolean;
  };
  /** Files named cgroup.procs, into which the process writes itself. */
  readonly groups: readonly string[];
}

/** The command line that does all that and then runs `command`, which begins with the path of a program. */
export function confinedCommand(confinement: Confinement, command: readonly string[]): string[] {
  const { files } = confinement;
  const user = files?.asUser ? ['--user', '--map-root-user'] : [];
  const namespaces = files ? ['/usr/bin/unshare', ...user, '--mount', '--ipc'] : [];
  return [...namespaces, '/bin/sh', '-euc', script(confinement), 'drover-vmm', ...command];
}

/** What the shell does before it becomes the command. */
function script({ user, userGroups = [], files, groups }: Confinement): string {
  const others = userGroups.length > 0 ? `--groups=${userGroups.join(',')}` : '--clear-groups';
  const identity = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, others];
  return [
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    ...groups.map((procs) => `echo $$ > ${quoted(procs)}`),
    'ulimit -c 0',
    ...(files ? newRoot(files.root, files.shown) : []),
    'cd /',
    `exec setpriv ${[...identity, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all'].join(' ')} -- "$@"`,
  ].join('\n');
}

const MOUNT_OPTIONS = {
  read: 'bind,ro,nosuid,nodev',
  write: 'bind,nosuid,nodev,noexec',
  device: 'bind',
} as const;

/**
 * Puts a root together from what is shown, and moves into it. Folders above are new and open to all, so it does not
 * matter who may pass through the real ones.
 */
function newRoot(root: string, shown: readonly Shown[]): string[] {
  const at = ({ path }: Shown) => quoted(root + path);
  const having = (is: Shown['is']) => shown.filter((each) => each.is === is);
  const folders = [...having('folder').map(at), ...shown.map(({ path }) => quoted(root + dirname(path)))];
  const table = shown
    .filter(({ is }) => is !== 'link')
    .map(({ path, access }) => `${field(path)} ${field(root + path)} none ${MOUNT_OPTIONS[access]} 0 0`);
  return [
    `mount -t tmpfs -o mode=755,size=1m drover ${quoted(root)}`,
    `mkdir -p ${[...new Set(folders)].join(' ')} ${quoted(`${root}/proc`)} ${quoted(`${root}/.old`)}`,
    ...having('file').map((file) => `: > ${at(file)}`),
    ...having('link').map((link) => `ln -s ${quoted(link.target!)} ${at(link)}`),
    `printf %s ${quoted(`${table.join('\n')}\n`)} > ${quoted(`${root}/.fstab`)}`,
    `mount --all --fstab ${quoted(`${root}/.fstab`)}`,
    `mount -t proc -o hidepid=2 proc ${quoted(`${root}/proc`)} 2>/dev/null || mount --rbind /proc ${quoted(`${root}/proc`)}`,
    `cd ${quoted(root)}`,
    'pivot_root . .old',
    'umount -l /.old',
    'rm -r /.old /.fstab',
    'mount -o remount,bind,ro /',
  ];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A field of fstab(5). Throws if it cannot be one. */
function field(path: string): string {
  if (path.includes('\n')) throw new Error(`the path ${JSON.stringify(path)} has a line break in it`);
  return path.replaceAll(/[\\ \t]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
