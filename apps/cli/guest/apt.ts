/** Debian packages of another architecture, from the machine's own mirror, through an apt with a root of its own. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirror, parseDeb822, parseOneLine, parseStanzas, type AptSource } from './apt-sources.js';
import { dependencies } from './closure.js';
import { CommandError, run } from './run.js';

const SOURCES = '/etc/apt';
const KEYRINGS = ['gpg', 'pgp'].map((type) => `/usr/share/keyrings/debian-archive-keyring.${type}`);

/** The fetch cannot be done here; the message says why and what to do. */
export class FetchError extends Error {}

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Names of the packages that it depends on. */
  readonly depends: readonly string[];
}

export interface AptPorts {
  readonly signal: AbortSignal;
  /** How much of the present step is done, 0 to 1. */
  readonly onPortion: (portion: number) => void;
}

/** The machine's mirror of Debian. Throws a FetchError if its apt knows none. */
export function findMirror(folder = SOURCES): string {
  const mirror = debianMirror(readSources(folder));
  if (mirror === undefined)
    throw new FetchError(`apt has no mirror of Debian in ${folder}/sources.list and ${folder}/sources.list.d`);
  return mirror;
}

function readSources(folder: string): AptSource[] {
  const parts = join(folder, 'sources.list.d');
  const files = existsSync(parts) ? readdirSync(parts).toSorted() : [];
  const inParts = files.flatMap((file) => {
    const text = () => readFileSync(join(parts, file), 'utf8');
    return file.endsWith('.sources') ? parseDeb822(text()) : file.endsWith('.list') ? parseOneLine(text()) : [];
  });
  const list = join(folder, 'sources.list');
  return existsSync(list) ? [...parseOneLine(readFileSync(list, 'utf8')), ...inParts] : inParts;
}

/** The keys that sign Debian's archive. Throws a FetchError if they are not installed. */
export function findKeyring(): string {
  const keyring = KEYRINGS.find((file) => existsSync(file));
  if (keyring === undefined)
    throw new FetchError('the keys of the Debian archive are missing: install debian-archive-keyring');
  return keyring;
}

/** An apt that knows one suite of one mirror, and nothing of the machine's own packages. */
export class PrivateApt {
  private readonly options: readonly string[];

  constructor(
    folder: string,
    architecture: string,
    private readonly mirror: string,
    private readonly suite: string,
    keyring: string,
    private readonly ports: AptPorts,
  ) {
    const at = (path: string) => join(folder, path);
    for (const path of ['etc', 'state/lists/partial', 'cache/archives/partial'])
      mkdirSync(at(path), { recursive: true });
    writeFileSync(at('state/status'), '');
    writeFileSync(at('etc/sources.list'), `deb [arch=${architecture} signed-by=${keyring}] ${mirror} ${suite} main\n`);
    this.options = [
      `APT::Architecture=${architecture}`,
      `APT::Architectures=${architecture}`,
      'APT::Default-Release=',
      'APT::Sandbox::User=root', // the folder may be one that apt's own user cannot see
      'APT::Status-Fd=3',
      'APT::Update::Error-Mode=any',
      'Acquire::Languages=none',
      'Acquire::Retries=2',
      `Dir::State=${at('state')}`,
      `Dir::State::status=${at('state/status')}`,
      `Dir::Cache=${at('cache')}`,
      `Dir::Etc::sourcelist=${at('etc/sources.list')}`,
      'Dir::Etc::sourceparts=/dev/null',
      'Dir::Etc::preferences=/dev/null',
      'Dir::Etc::preferencesparts=/dev/null',
    ].flatMap((option) => ['-o', option]);
  }

  /** Gets the index of the suite; apt checks its signature. */
  async update(): Promise<void> {
    await this.call('apt-get', ['update']);
  }

  /** What the index says of packages, in the order of `names`; those that it does not have are left out. */
  async show(names: readonly string[]): Promise<Package[]> {
    const text = await this.call('apt-cache', ['show', '--no-all-versions', ...names]).catch((error: unknown) => {
      if (error instanceof CommandError && /No packages found/.test(error.stderr)) return '';
      throw error;
    });
    const found = new Map(parseStanzas(text).map((fields) => [fields.get('package'), fields]));
    return names.flatMap((name) => {
      const fields = found.get(name);
      if (!fields) return [];
      const depends = ['pre-depends', 'depends'].flatMap((field) => dependencies(fields.get(field) ?? ''));
      const [version, sha256] = [fields.get('version')!, fields.get('sha256')!];
      return [{ name, version, sha256, bytes: Number(fields.get('size')), depends }];
    });
  }

  /** Downloads packages into a folder; apt checks them against the index. */
  async download(packages: readonly Package[], folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true });
    const wanted = packages.map(({ name, version }) => `${name}=${version}`);
    await this.call('apt-get', ['download', ...wanted], folder);
  }

  private async call(program: string, args: readonly string[], cwd?: string): Promise<string> {
    const { signal, onPortion } = this.ports;
    const onStatus = (line: string) => {
      const [, percent] = /^dlstatus:\d+:([\d.]+):/.exec(line) ?? [];
      if (percent !== undefined) onPortion(Number(percent) / 100);
    };
    try {
      const output = await run(program, [...this.options, ...args], { signal, onStatus, ...(cwd && { cwd }) });
      return output.toString();
    } catch (error) {
      if (error instanceof CommandError) throw this.explain(error);
      throw error;
    }
  }

  /** apt's own words, where they are known to mean something that can be helped. */
  private explain(error: CommandError): Error {
    const { mirror, suite } = this;
    const said = error.stderr;
    if (error.isAbsent)
      return new FetchError(`${error.command} was not found: this needs Debian, or a system made of it`);
    if (/no space left|not enough free space/i.test(said)) return new FetchError('the disk is full');
    if (/NO_PUBKEY|not signed|couldn't be verified/i.test(said))
      return new FetchError(`the keys here do not know suite ${suite}: bring debian-archive-keyring up to date`);
    if (/does not have a Release file/i.test(said)) return new FetchError(`${mirror} has no suite ${suite}`);
    if (/could not (resolve|connect)|connection (failed|refused|timed out)|unable to connect|unreachable/i.test(said))
      return new FetchError(`${mirror} cannot be reached: see to the network, or to apt's proxy`);
    return error;
  }
}
