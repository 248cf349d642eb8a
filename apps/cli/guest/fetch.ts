/** Fetches Debian's packages of an architecture and makes a guest of them: kernel, initial file system, manifest. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FetchError, findKeyring, findMirror, PrivateApt, type Package } from './apt.js';
import { ARCHITECTURES, type GuestArchitecture } from './architecture.js';
import { likelyPackages } from './closure.js';
import { writeCpio } from './cpio.js';
import { BOOT_MODULES, initramfsEntries, LATER_MODULES, PROGRAMS, readOverlay } from './initramfs.js';
import { readGuest, sha256, type Manifest } from './manifest.js';
import { collectModules } from './modules.js';
import { collectLibraries, type Libraries, type Unpacked } from './programs.js';
import type { Progress } from './progress.js';
import { run } from './run.js';

/** Packages, unpacked and not, beside the result: about 320 MiB in trixie. */
const NEEDED_BYTES = 500 * 2 ** 20;
/** Grows when the same packages and files give another result. */
const FORMAT = 1;

export interface FetchOptions {
  /** Where kernel, initrd and manifest.json go. */
  readonly folder: string;
  readonly suite: string;
  readonly architecture: GuestArchitecture;
  /** Fetch although it is there: for newer packages. */
  readonly force: boolean;
  /** Files that are ours: guests/linux. */
  readonly overlay: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface FetchedGuest {
  readonly folder: string;
  readonly architecture: GuestArchitecture;
  /** False: it was there already. */
  readonly isNew: boolean;
  readonly manifest: Manifest;
}

/** Rejects with a FetchError that says what stands in the way, and leaves the folder as it was. */
export async function fetchGuest(options: FetchOptions): Promise<FetchedGuest> {
  const { folder, suite, architecture, force, signal } = options;
  const recipe = recipeOf(options);
  const present = readGuest(folder);
  if (present && present.recipe === recipe && !force) return { folder, architecture, isNew: false, manifest: present };

  const mirror = findMirror();
  const keyring = findKeyring();
  const work = join(dirname(folder), `.fetch-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const { bavail, bsize } = statfsSync(work);
    if (bavail * bsize < NEEDED_BYTES) throw new FetchError(`${work} has less than ${NEEDED_BYTES / 2 ** 20} MiB left`);
    const apt = new PrivateApt(work, ARCHITECTURES[architecture].debian, mirror, suite, keyring, {
      signal,
      onPortion: (portion) => options.progress.set(portion),
    });
    const manifest = await build(options, apt, work, recipe);
    replace(folder, join(work, 'result'));
    return { folder, architecture, isNew: true, manifest };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new FetchError('the disk is full');
    throw error;
  } finally {
    options.progress.end();
    rmSync(work, { recursive: true, force: true });
  }
}

/** Puts the new folder where the old one is. */
function replace(folder: string, result: string): void {
  const old = `${result}.old`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(result, folder);
}

function recipeOf({ suite, architecture, overlay }: FetchOptions): string {
  const files = readOverlay(overlay).map((entry) => {
    return entry.kind === 'file' ? [entry.path, entry.executable, sha256(entry.content)] : [];
  });
  return sha256(
    Buffer.from(JSON.stringify([FORMAT, suite, architecture, BOOT_MODULES, LATER_MODULES, PROGRAMS, files.toSorted()])),
  );
}

async function build(options: FetchOptions, apt: PrivateApt, work: string, recipe: string): Promise<Manifest> {
  const { suite, architecture, progress } = options;
  const { debian, libraries: libraryFolder, loaderFolder, busModule } = ARCHITECTURES[architecture];
  const metapackage = `linux-image-${debian}`; // depends on the newest kernel of the suite
  progress.begin(`getting the package index of ${suite}`);
  await apt.update();
  const larder = new Larder(apt, work, options);
  const [newest] = await larder.find([metapackage]);
  const kernelPackage = newest!.depends.find((name) => name.startsWith('linux-image-'));
  if (kernelPackage === undefined) throw new Error(`${metapackage} of ${suite} depends on no kernel`);
  await larder.fetch([...new Set([kernelPackage, ...PROGRAMS.map(({ debianPackage }) => debianPackage)])]);

  const fileOf = ({ debianPackage, file }: (typeof PROGRAMS)[number]) => join(larder.folderOf(debianPackage), file);
  const libraries = await larder.fetchLibraries(PROGRAMS.map(fileOf), libraryFolder);

  progress.begin('writing kernel and initrd');
  const kernelFolder = larder.folderOf(kernelPackage);
  const result = join(work, 'result');
  mkdirSync(result);
  const write = (file: string, content: Uint8Array) => {
    writeFileSync(join(result, file), content);
    return { file, bytes: content.length, sha256: sha256(content) };
  };
  const entries = initramfsEntries({
    programs: new Map(PROGRAMS.map((program) => [program.path, readFileSync(fileOf(program))])),
    loaderFolder,
    libraries,
    modules: collectModules(
      onlyFolder(join(kernelFolder, 'usr/lib/modules')),
      [busModule, ...BOOT_MODULES],
      LATER_MODULES,
    ),
    overlay: readOverlay(options.overlay),
  });
  const manifest: Manifest = {
    format: 1,
    suite,
    recipe,
    packages: larder.packages.map(({ name, version, sha256: sum }) => ({ name, version, sha256: sum })),
    kernel: write('kernel', readFileSync(kernelFile(join(kernelFolder, 'boot')))),
    initrd: write('initrd', gzipSync(writeCpio(entries), { level: 9 })),
  };
  write('manifest.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  return manifest;
}

function kernelFile(boot: string): string {
  const name = readdirSync(boot).find((file) => /^vmlinu[xz]-/.test(file));
  if (name === undefined) throw new Error('the kernel package has no kernel in /boot');
  return join(boot, name);
}

function onlyFolder(folder: string): string {
  const [name] = readdirSync(folder);
  if (name === undefined) throw new Error(`the kernel package has nothing in ${basename(folder)}`);
  return join(folder, name);
}

/** The packages of one fetch: looked up, downloaded, unpacked each into a folder of its own. */
class Larder {
  readonly packages: Package[] = [];
  private readonly unpacked: Unpacked[] = [];

  constructor(
    private readonly apt: PrivateApt,
    private readonly work: string,
    private readonly options: Pick<FetchOptions, 'progress' | 'signal' | 'suite' | 'architecture'>,
  ) {}

  folderOf(name: string): string {
    return join(this.work, 'packages', name);
  }

  /** Rejects with a FetchError if the suite does not have all of them. */
  async find(names: readonly string[]): Promise<Package[]> {
    const found = await this.apt.show(names);
    const absent = names.find((name) => !found.some((one) => one.name === name));
    if (absent === undefined) return found;
    const { suite, architecture } = this.options;
    throw new FetchError(`suite ${suite} has no ${absent} for ${architecture}: choose trixie or a later one (--suite)`);
  }

  async fetch(names: readonly string[]): Promise<void> {
    await this.get(await this.find(names));
  }

  /** Content of the libraries that the programs need, by soname. Gets packages until none is missing. */
  async fetchLibraries(programs: readonly string[], folder: string): Promise<ReadonlyMap<string, Buffer>> {
    for (;;) {
      const libraries = collectLibraries(programs, this.unpacked, folder);
      if (libraries.missing.size === 0) return libraries.found;
      const packages = await this.apt.show(this.candidates(libraries)); // without names that others provide
      if (packages.length === 0) throw new Error(`no package has ${[...libraries.missing.keys()].join(', ')}`);
      await this.get(packages);
    }
  }

  /** For each missing library: dependencies, not tried yet, of the package that needs it. */
  private candidates({ missing }: Libraries): string[] {
    const tried = new Set(this.packages.map(({ name }) => name));
    const names = [...missing].flatMap(([soname, askedBy]) => {
      const depends = this.packages.find(({ name }) => name === askedBy)?.depends ?? [];
      return likelyPackages(
        soname,
        depends.filter((name) => !tried.has(name)),
      );
    });
    return [...new Set(names)];
  }

  private async get(packages: readonly Package[]): Promise<void> {
    const { progress, signal } = this.options;
    const mebibytes = packages.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20;
    progress.begin(`downloading ${packages.length} packages, ${mebibytes.toFixed(1)} MiB`);
    const folder = join(this.work, 'debs');
    await this.apt.download(packages, folder);
    progress.begin(`unpacking ${packages.length} packages`);
    const files = readdirSync(folder);
    for (const [index, found] of packages.entries()) {
      const { name } = found;
      const file = join(folder, files.find((candidate) => candidate.startsWith(`${name}_`)) ?? name);
      if (sha256(readFileSync(file)) !== found.sha256)
        throw new Error(`${basename(file)} is not what the index tells of`);
      mkdirSync(this.folderOf(name), { recursive: true });
      await run('dpkg-deb', ['-x', file, this.folderOf(name)], { signal });
      rmSync(file);
      this.packages.push(found);
      this.unpacked.push({ name, folder: this.folderOf(name) });
      progress.set((index + 1) / packages.length);
    }
  }
}
