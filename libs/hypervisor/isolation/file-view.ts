/** Which files of the host a VM's process is shown, each at its own path. */
import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface Shown {
  readonly path: string;
  readonly is: 'folder' | 'file' | 'link';
  /** Where a link leads. */
  readonly target?: string;
  /** Devices are neither: what they may be used for is up to the device. */
  readonly access: 'read' | 'write' | 'device';
}

/** What the C library and the resolver of names read, where it exists. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/lib32'];
const SETTINGS = [
  ...['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/localtime', '/etc/nsswitch.conf'],
  ...['/etc/hosts', '/etc/host.conf', '/etc/resolv.conf', '/etc/gai.conf'],
];
const DEVICES = ['/dev/null', '/dev/zero', '/dev/random', '/dev/urandom'];

/** The system's part, Node.js and the VMM. `program`: the VMM's main file, in dist/ or alone. */
export function programView(program: string, execPath = process.execPath): Shown[] {
  const prefix = dirname(dirname(execPath));
  const node = prefix === '/usr' ? [] : [basename(dirname(execPath)) === 'bin' ? prefix : execPath];
  const project = /^(.*)\/dist\/apps\/[^/]+\/[^/]+$/.exec(program)?.[1];
  const own = project === undefined ? [dirname(program)] : ['dist', 'node_modules', 'package.json'];
  return [
    ...[...SYSTEM, ...SETTINGS].filter((path) => existsSync(path)).map((path) => look(path, 'read')),
    ...DEVICES.filter((path) => existsSync(path)).map((path) => look(path, 'device')),
    ...[...node, ...own.map((path) => join(project ?? '/', path))].map((path) => look(path, 'read')),
  ];
}

/** A file or folder. Throws an Error if it is not there. */
export function look(path: string, access: Shown['access']): Shown {
  // On Debian /bin is a link into /usr; other links are shown as what they lead to.
  if (dirname(path) === '/' && lstatSync(path).isSymbolicLink()) {
    return { path, is: 'link', target: readlinkSync(path), access };
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new Error(`there is no ${path}`);
  return { path, is: stat.isDirectory() ? 'folder' : 'file', access };
}
