/** Programs out of unpacked Debian packages, and the shared libraries that they need. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { closure } from './closure.js';
import { isElf, neededLibraries } from './elf.js';

/** Where Debian's packages have libraries; `own`: the folder of an architecture. */
const libraryFolders = (own: string) => [`usr/lib/${own}`, `lib/${own}`, 'usr/lib', 'lib', 'usr/lib64', 'lib64'];

/** A package that has been unpacked into a folder. */
export interface Unpacked {
  readonly name: string;
  readonly folder: string;
}

export interface Libraries {
  /** Content of each library that is needed, by its soname. */
  readonly found: ReadonlyMap<string, Buffer>;
  /** Sonames that no package has yet, each with the package whose file needs it. */
  readonly missing: ReadonlyMap<string, string>;
}

/** The libraries that the programs (paths of files) need, as far as the packages have them in their folder or above. */
export function collectLibraries(programs: readonly string[], packages: readonly Unpacked[], own: string): Libraries {
  const places = new Map(packages.flatMap((each) => librariesOf(each, own)));
  const contents = new Map<string, Buffer>();
  const needsOf = (name: string): string[] | undefined => {
    const path = programs.includes(name) ? name : places.get(name)?.path;
    if (path === undefined) return undefined;
    const content = readFileSync(path);
    contents.set(name, content);
    return isElf(content) ? neededLibraries(content) : [];
  };
  const { found, missing } = closure(programs, needsOf);
  const packageOf = (name: string) =>
    places.get(name)?.owner ?? packages.find(({ folder }) => name.startsWith(`${folder}/`))?.name ?? name;
  return {
    found: new Map(found.filter((name) => !programs.includes(name)).map((name) => [name, contents.get(name)!])),
    missing: new Map([...missing].map(([soname, askedBy]) => [soname, packageOf(askedBy)])),
  };
}

function librariesOf({ name, folder }: Unpacked, own: string): [string, { path: string; owner: string }][] {
  return libraryFolders(own)
    .map((below) => join(folder, below))
    .filter((path) => existsSync(path))
    .flatMap((path) => {
      const files = readdirSync(path, { withFileTypes: true }).filter((entry) => /\.so(\.|$)/.test(entry.name));
      return files.map((entry): [string, { path: string; owner: string }] => {
        return [entry.name, { path: join(path, entry.name), owner: name }];
      });
    })
    .filter(([, { path }]) => existsSync(path)); // a link may lead into another package
}
