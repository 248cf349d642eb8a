/** Settings of the agent, from environment variables. A wrong one is refused with a sentence that says what to do. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

export interface AgentConfig {
  readonly controllerUrl: string;
  /** The enrolment token is in it; needed until the host has enrolled. */
  readonly enrolmentTokenFile: string | null;
  /** State that outlives the agent: identity, tokens, a record for each VM and migration. */
  readonly dir: string;
  readonly bind: string;
  /** 0: the port of last time, or any free one. */
  readonly port: number;
  /** What controller and other agents call; null: http://BIND:PORT. */
  readonly url: string | null;
  /** What may be used, declared or measured. */
  readonly cpuCores: number;
  readonly memoryMiB: number;
  /** What the link carries, declared; null: what its cards say. */
  readonly linkMiBps: number | null;
  /** Folders with guest images: IMAGE.elf, or a folder IMAGE with kernel and initrd. */
  readonly imageFolders: readonly string[];
  /** The program that runs a VM. */
  readonly vmmProgram: string;
  /** Address at which arriving VMs are waited for, and the port for tunnelled ones; 0: as with `port`. */
  readonly migrationBind: string;
  readonly migrationPort: number;
  /** Address and port at which this host's switch waits for those of other hosts; 0: as with `port`. */
  readonly tunnelBind: string;
  readonly tunnelPort: number;
  /** The agent's orderly end stops its VMs too: for a host that ends with its agent, as in the demo or a container. */
  readonly stopVmsOnExit: boolean;
  /** Devices of this host that guests may have, by name: Unix sockets that take Ethernet frames (QEMU's -netdev stream). */
  readonly hostDevices: ReadonlyMap<string, string>;
  /** VMs get as few rights as the host allows; false: those of the agent. */
  readonly isolation: boolean;
  /** Numbers of users that VMs may run as where the agent is root. */
  readonly vmUsers: { readonly from: number; readonly to: number };
  /** How often it is looked whether there is something to tell the controller. */
  readonly heartbeatIntervalMs: number;
  /** How often the host's health is looked at. */
  readonly healthIntervalMs: number;
  /** How often what moving a VM would take is found out without being asked; 0: never. */
  readonly probeIntervalMs: number;
  /** Executables that look at the host's health, and those that maintenance may run. */
  readonly healthDir: string;
  readonly maintenanceDir: string;
  readonly logLevel: string;
}

/** A setting that cannot be used; the message is for whoever set it. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const WILDCARDS = ['0.0.0.0', '::'];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

function required(env: Environment, name: string, what: string): string {
  const value = env[name];
  if (!value) throw new ConfigError(`${name} is not set; set it to ${what}.`);
  return value;
}

function number(env: Environment, name: string, otherwise: number, isFine: (n: number) => boolean, what: string) {
  const text = env[name];
  if (!text) return otherwise;
  const value = Number(text);
  if (!isFine(value)) throw new ConfigError(`${name}=${text} is not ${what}.`);
  return value;
}

function port(env: Environment, name: string): number {
  const isPort = (n: number) => Number.isInteger(n) && n >= 0 && n <= 65_535;
  return number(env, name, 0, isPort, 'a port; use a number from 0 (any free one) to 65535');
}

function httpUrl(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new ConfigError(`${name}=${text} is not a URL such as http://127.0.0.1:7410.`);
  return text.replace(/\/+$/, '');
}

function userRange(env: Environment, name: string, otherwise: string): { from: number; to: number } {
  const text = env[name] || otherwise;
  const [, from, to] = (/^(\d{1,10})-(\d{1,10})$/.exec(text) ?? []).map(Number);
  if (from === undefined || to === undefined || from < 1 || to < from || to >= 2 ** 32 - 1)
    throw new ConfigError(`${name}=${text} is no range of user ids; use FROM-TO, such as ${otherwise}.`);
  return { from, to };
}

function flag(env: Environment, name: string, otherwise = '0'): boolean {
  const text = env[name] ?? otherwise;
  if (text !== '0' && text !== '1') throw new ConfigError(`${name}=${text} is neither 0 nor 1.`);
  return text === '1';
}

/** NAME=PATH, with commas between. */
function hostDevices(env: Environment, name: string): ReadonlyMap<string, string> {
  const entries = (env[name] ?? '').split(',').filter((entry) => entry !== '');
  return new Map(
    entries.map((entry) => {
      const [, device, path] = /^([A-Za-z0-9][\w.-]{0,62})=(\/.+)$/.exec(entry) ?? [];
      if (device === undefined || path === undefined)
        throw new ConfigError(`${name}: ${entry} is not NAME=SOCKET, such as fast0=/run/fast0.sock.`);
      return [device, path] as const;
    }),
  );
}

function existing(name: string, path: string, kind: 'folder' | 'file'): string {
  const isThere = existsSync(path) && (kind === 'folder' ? statSync(path).isDirectory() : statSync(path).isFile());
  if (!isThere) throw new ConfigError(`${name}: there is no ${kind} ${path}; name one that exists.`);
  return path;
}

/** Reads all settings; throws ConfigError at the first wrong one. `projectDir`: where the defaults lie. */
export function readConfig(env: Environment, projectDir: string): AgentConfig {
  const bind = env.DROVER_AGENT_BIND || '127.0.0.1';
  const url = env.DROVER_AGENT_URL ? httpUrl('DROVER_AGENT_URL', env.DROVER_AGENT_URL) : null;
  if (!url && WILDCARDS.includes(bind))
    throw new ConfigError(
      `DROVER_AGENT_BIND=${bind} is no address to call; set DROVER_AGENT_URL to one that others can.`,
    );
  const logLevel = env.DROVER_LOG_LEVEL || 'info';
  if (!LOG_LEVELS.includes(logLevel))
    throw new ConfigError(`DROVER_LOG_LEVEL=${logLevel} is none of ${LOG_LEVELS.join(', ')}.`);
  const imagesDir = env.DROVER_IMAGES_DIR || join(projectDir, 'guests');
  const vmmProgram = resolve(env.DROVER_VMM || join(projectDir, 'dist', 'apps', 'vmm', 'main.js'));
  return {
    controllerUrl: httpUrl(
      'DROVER_CONTROLLER_URL',
      required(env, 'DROVER_CONTROLLER_URL', "the controller's URL, such as http://127.0.0.1:7410"),
    ),
    enrolmentTokenFile: env.DROVER_ENROLMENT_TOKEN_FILE ? resolve(env.DROVER_ENROLMENT_TOKEN_FILE) : null,
    dir: resolve(required(env, 'DROVER_AGENT_DIR', 'a folder for the state of this agent')),
    bind,
    port: port(env, 'DROVER_AGENT_PORT'),
    url,
    cpuCores: number(env, 'DROVER_CPU_CORES', cpus().length, (n) => n > 0, 'a number of cores above 0'),
    memoryMiB: number(
      env,
      'DROVER_MEMORY_MIB',
      Math.floor(totalmem() / 2 ** 20),
      (n) => Number.isInteger(n) && n > 0,
      'a whole number of MiB above 0',
    ),
    linkMiBps: number(env, 'DROVER_LINK_MIBPS', 0, (n) => n > 0, 'a number of MiB/s above 0') || null,
    imageFolders: imagesDir.split(delimiter).map((folder) => existing('DROVER_IMAGES_DIR', resolve(folder), 'folder')),
    vmmProgram: existing('DROVER_VMM', vmmProgram, 'file'),
    migrationBind: env.DROVER_MIGRATION_BIND || '127.0.0.1',
    migrationPort: port(env, 'DROVER_MIGRATION_PORT'),
    tunnelBind: env.DROVER_TUNNEL_BIND || '127.0.0.1',
    tunnelPort: port(env, 'DROVER_TUNNEL_PORT'),
    stopVmsOnExit: flag(env, 'DROVER_STOP_VMS_ON_EXIT'),
    hostDevices: hostDevices(env, 'DROVER_HOST_DEVICES'),
    isolation: flag(env, 'DROVER_ISOLATION', '1'),
    vmUsers: userRange(env, 'DROVER_VM_USERS', '700000000-799999999'),
    heartbeatIntervalMs:
      1000 * number(env, 'DROVER_HEARTBEAT_SECONDS', 1, (n) => n >= 0.1 && n <= 5, 'a number of seconds from 0.1 to 5'),
    healthIntervalMs:
      1000 *
      number(env, 'DROVER_HEALTH_SECONDS', 60, (n) => n >= 1 && n <= 86_400, 'a number of seconds from 1 to 86400'),
    probeIntervalMs:
      1000 *
      number(
        env,
        'DROVER_PROBE_SECONDS',
        600,
        (n) => n === 0 || (n >= 1 && n <= 86_400),
        'a number of seconds from 1 to 86400, or 0 for never',
      ),
    healthDir: resolve(env.DROVER_HEALTH_DIR || '/etc/drover/health.d'),
    maintenanceDir: resolve(env.DROVER_MAINTENANCE_DIR || '/etc/drover/maintenance.d'),
    logLevel,
  };
}

/** The token that an administrator was given for this host; throws ConfigError if it is not there. */
export function readEnrolmentToken({ enrolmentTokenFile }: AgentConfig): string {
  if (!enrolmentTokenFile)
    throw new ConfigError(
      'DROVER_ENROLMENT_TOKEN_FILE is not set; put the enrolment token that the controller showed for this host into a file and name it.',
    );
  if (!existsSync(enrolmentTokenFile))
    throw new ConfigError(
      `DROVER_ENROLMENT_TOKEN_FILE: there is no file ${enrolmentTokenFile}; put this host's enrolment token there.`,
    );
  const token = readFileSync(enrolmentTokenFile, 'utf8').trim();
  if (!token)
    throw new ConfigError(`DROVER_ENROLMENT_TOKEN_FILE: ${enrolmentTokenFile} is empty; put the token there.`);
  return token;
}
