import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { ConfigError } from './config-error.js';
import { type TlsFiles, tlsFilesOf } from './http/tls.js';

export interface Config {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly bind: string;
  readonly port: number;
  /** Undefined: it speaks HTTP. */
  readonly tls: TlsFiles | undefined;
  readonly adminToken: string;
  /** 32 bytes: encrypts what has to be kept but must not be read in the database. */
  readonly secret: Buffer;
  readonly policyIntervalMs: number;
  /** How often what is under way is looked at: plans, power, fencing, silent hosts. */
  readonly loopIntervalMs: number;
  /** A host that has been silent for longer is non_responsive. */
  readonly hostTimeoutMs: number;
  /** Folder of programs that switch hosts on and off: the API can name no others. */
  readonly powerProgramsDir: string;
  readonly portalDir: string | undefined;
  readonly logLevel: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** The controller's settings. Creates the files of admin token and secret if they are missing. Throws ConfigError. */
export function readConfig(env: Environment): Config {
  const databaseUrl = urlOf(env, 'DATABASE_URL', ['postgres:', 'postgresql:']);
  if (!databaseUrl)
    throw new ConfigError(
      'DATABASE_URL is not set; set it to a PostgreSQL of your own, such as postgres://user:password@host:5432/drover, or run npm start, which brings one along.',
    );
  return {
    databaseUrl,
    redisUrl: urlOf(env, 'REDIS_URL', ['redis:', 'rediss:']),
    bind: env.DROVER_BIND || '127.0.0.1',
    port: numberOf(env, 'DROVER_PORT', { otherwise: 7410, from: 0, to: 65_535, whole: true }),
    tls: tlsFilesOf(env.DROVER_TLS_CERT_FILE, env.DROVER_TLS_KEY_FILE),
    adminToken: adminTokenOf(env),
    secret: secretOf(env),
    policyIntervalMs: 1000 * numberOf(env, 'DROVER_POLICY_INTERVAL_SECONDS', { otherwise: 10, from: 0.1, to: 3600 }),
    loopIntervalMs: 1000 * numberOf(env, 'DROVER_LOOP_SECONDS', { otherwise: 1, from: 0.1, to: 60 }),
    hostTimeoutMs: 1000 * numberOf(env, 'DROVER_HOST_TIMEOUT_SECONDS', { otherwise: 10, from: 1, to: 3600 }),
    powerProgramsDir: resolve(env.DROVER_POWER_DIR || '.drover/power.d'),
    portalDir: portalOf(env),
    logLevel: logLevelOf(env),
  };
}

function urlOf(env: Environment, name: string, protocols: readonly string[]): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  const protocol = URL.canParse(value) ? new URL(value).protocol : undefined;
  if (!protocol || !protocols.includes(protocol))
    throw new ConfigError(
      `${name} is not an address that begins with ${protocols.join('// or ')}//; correct or unset it.`,
    );
  return value;
}

interface Range {
  readonly otherwise: number;
  readonly from: number;
  readonly to: number;
  readonly whole?: boolean;
}

function numberOf(env: Environment, name: string, { otherwise, from, to, whole = false }: Range): number {
  const value = env[name];
  if (!value) return otherwise;
  const number = Number(value);
  if (!(number >= from && number <= to) || (whole && !Number.isInteger(number)))
    throw new ConfigError(`${name} is ${value}; set it to a ${whole ? 'whole ' : ''}number from ${from} to ${to}.`);
  return number;
}

function logLevelOf(env: Environment): string {
  const level = env.DROVER_LOG_LEVEL || 'info';
  if (!LOG_LEVELS.includes(level))
    throw new ConfigError(`DROVER_LOG_LEVEL is ${level}; set it to one of ${LOG_LEVELS.join(', ')}.`);
  return level;
}

function portalOf(env: Environment): string | undefined {
  const dir = resolve(env.DROVER_PORTAL_DIR || 'dist/portal');
  if (existsSync(`${dir}/index.html`)) return dir;
  if (env.DROVER_PORTAL_DIR)
    throw new ConfigError(
      `DROVER_PORTAL_DIR is ${dir}, and there is no index.html in it; build the portal or unset it.`,
    );
  return undefined;
}

function adminTokenOf(env: Environment): string {
  const file = resolve(env.DROVER_ADMIN_TOKEN_FILE || '.drover/admin-token');
  const token = readOrCreate('DROVER_ADMIN_TOKEN_FILE', file, () => randomBytes(24).toString('base64url')).trim();
  if (token.length < 16)
    throw new ConfigError(
      `DROVER_ADMIN_TOKEN_FILE is ${file}, and its token has fewer than 16 characters; delete the file to get a new one.`,
    );
  return token;
}

function secretOf(env: Environment): Buffer {
  const file = resolve(env.DROVER_SECRET_FILE || '.drover/controller-secret');
  const text = readOrCreate('DROVER_SECRET_FILE', file, () => randomBytes(32).toString('base64'));
  const secret = Buffer.from(text.trim(), 'base64');
  if (secret.length !== 32)
    throw new ConfigError(
      `DROVER_SECRET_FILE is ${file}, and does not hold 32 bytes in base64; restore it from your backup, or delete it and enrol the hosts again.`,
    );
  return secret;
}

/** Content of the file; if there is none, it is made, for its owner alone. */
function readOrCreate(variable: string, file: string, content: () => string): string {
  try {
    if (!existsSync(file)) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${content()}\n`, { mode: 0o600, flag: 'wx' });
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `${variable} is ${file}, which cannot be read or created (${(error as NodeJS.ErrnoException).code}); choose a file that the controller may write.`,
    );
  }
}
