/** Kernel modules out of an unpacked kernel package, with what they depend on, as modprobe finds them (depmod(8)). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FetchError } from './apt.js';
import { closure } from './closure.js';
import type { CpioEntry } from './cpio.js';
import { moduleInfo } from './elf.js';

interface Module {
  /** Below /lib/modules/RELEASE, and what is in that file. */
  readonly path: string;
  readonly file: Buffer;
  readonly content: Buffer;
}

const EXTENSION = /\.ko(\.\w+)?$/;

/** A module's name as the kernel has it: file names and dependencies may have dashes. */
const nameOf = (file: string): string => basename(file).replace(EXTENSION, '').replaceAll('-', '_');

const needsOf = ({ content }: Module): string[] =>
  moduleInfo(content, 'depends')
    .flatMap((names) => names.split(','))
    .filter(Boolean)
    .map(nameOf);

/**
 * The modules and all that they need, for /lib/modules, with modules.dep and modules.alias for them; what is built into
 * the kernel needs no file. Those for `boot` are unpacked, since unpacking them takes the guest longer than reading more
 * bytes; those for `later` stay as they are, since they would take up its memory. `folder`: the modules of one release as
 * the package has them. Throws an Error for a module that is not there.
 */
export function collectModules(folder: string, boot: readonly string[], later: readonly string[]): CpioEntry[] {
  const find = findModules(folder);
  const builtIn = new Set(readFileSync(join(folder, 'modules.builtin'), 'utf8').trim().split('\n').map(nameOf));
  const needed = (names: readonly string[]): string[] => {
    const { found, missing } = closure(names.map(nameOf), (name) => {
      const module = find(name);
      return module ? needsOf(module) : builtIn.has(name) ? [] : undefined;
    });
    const [absent] = missing;
    if (absent) throw new Error(`the kernel has no module ${absent[0]}, which ${absent[1]} needs`);
    return found.filter((name) => find(name));
  };
  const atBoot = new Set(needed(boot));
  const place = (name: string): Module => {
    const module = find(name)!;
    if (!atBoot.has(name)) return module;
    return { path: module.path.replace(EXTENSION, '.ko'), file: module.content, content: module.content };
  };

  const chosen = needed([...boot, ...later]).map(place);
  const home = `lib/modules/${basename(folder)}`;
  const entry = (path: string, content: Buffer): CpioEntry => {
    return { kind: 'file', path: `${home}/${path}`, content, executable: false };
  };
  const lines = (texts: readonly string[]) => Buffer.from(texts.map((text) => `${text}\n`).join(''));
  const dependencyLine = (module: Module) => {
    const all = needed(needsOf(module)).toReversed(); // the last one is loaded first
    return [`${module.path}:`, ...all.map((name) => place(name).path)].join(' ');
  };
  const aliasLines = ({ path, content }: Module) =>
    moduleInfo(content, 'alias').map((alias) => `alias ${alias} ${nameOf(path)}`);
  return [
    ...chosen.map(({ path, file }) => entry(path, file)),
    entry('modules.dep', lines(chosen.map(dependencyLine))),
    entry('modules.alias', lines(chosen.flatMap(aliasLines))),
  ];
}

/** Finds a module by name, and reads each once. */
function findModules(folder: string): (name: string) => Module | undefined {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => EXTENSION.test(path));
  const paths = new Map(all.map((path) => [nameOf(path), path]));
  const read = new Map<string, Module>();
  return (name) => {
    const path = paths.get(name);
    if (path !== undefined && !read.has(name)) {
      const file = join(folder, path);
      read.set(name, { path, file: readFileSync(file), content: unpack(file) });
    }
    return read.get(name);
  };
}

/** Programs that unpack to standard output, by file extension. */
const UNPACKERS: Readonly<Record<string, { readonly program: string; readonly debianPackage: string }>> = {
  xz: { program: 'xz', debianPackage: 'xz-utils' },
  zst: { program: 'zstd', debianPackage: 'zstd' },
  gz: { program: 'gzip', debianPackage: 'gzip' },
};
const MAX_MODULE_BYTES = 64 * 2 ** 20;

function unpack(file: string): Buffer {
  const extension = file.split('.').at(-1)!;
  if (extension === 'ko') return readFileSync(file);
  const unpacker = UNPACKERS[extension];
  if (!unpacker) throw new Error(`${basename(file)} is compressed in a way that is not known here`);
  try {
    return execFileSync(unpacker.program, ['-dc', file], { maxBuffer: MAX_MODULE_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new FetchError(`${unpacker.program} was not found: install ${unpacker.debianPackage}`);
  }
}
