/** The command line of drover-vmm, in QEMU's style: one dash, a value in the next word. */
import { hasLongAddresses, MAX_RAM_BYTES } from '#vmm';
import { parseAcceleration, type Acceleration } from './acceleration.js';
import { parseMigrationUri, type MigrationAddress } from './migration-address.js';
import { parseRunWith, type RunWith } from './sandbox/run-with.js';
import { UsageError } from './usage-error.js';
import { WATCHDOG_ACTIONS, type WatchdogAction } from './watchdog-action.js';

type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export type SerialOption =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'null' }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string };

export interface Options {
  readonly ramBytes: number;
  readonly harts: number;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append: string;
  readonly bios: 'none' | 'sbi' | { readonly file: string };
  readonly serial: SerialOption;
  readonly qmp: readonly SocketAddress[];
  readonly incoming?: 'defer' | MigrationAddress;
  /** Of the VM's newest owner that is known; the owner itself, unless it is yet to come. */
  readonly epoch: number;
  /** -S: do not start by itself. */
  readonly startStopped: boolean;
  readonly nographic: boolean;
  readonly name?: string;
  readonly uuid?: string;
  readonly pidfile?: string;
  /** Each -device, in order. */
  readonly devices: readonly string[];
  /** Each -netdev. */
  readonly netdevs: readonly string[];
  readonly watchdogAction: WatchdogAction;
  /** The user to become when everything is open. */
  readonly runWith?: RunWith;
  readonly sandbox: boolean;
  /** Each -chardev, in order. */
  readonly chardevs: readonly string[];
  readonly acceleration: Acceleration;
  /** Each -drive, in order. */
  readonly drives: readonly string[];
}

export type CommandLine =
  { readonly kind: 'help' } | { readonly kind: 'version'; readonly sandbox: boolean } | ({ kind: 'run' } & Options);

const MIB = 2 ** 20;
const DEFAULT_RAM = '128M';
const MAX_HARTS = 16;

const FLAGS = ['S', 'nographic', 'help', 'version'] as const;
const VALUES = [
  ...['m', 'smp', 'M', 'machine', 'kernel', 'initrd', 'append', 'bios'],
  ...['serial', 'qmp', 'drive', 'chardev', 'device', 'netdev', 'watchdog-action'],
  ...['accel', 'incoming', 'x-drover-epoch', 'name', 'uuid', 'pidfile', 'run-with', 'sandbox'],
];
/** Options that may be given more than once. */
const LISTS = ['qmp', 'drive', 'chardev', 'device', 'netdev'];

export const HELP = `usage: drover-vmm -kernel FILE [options]

  -m SIZE             guest memory, such as 256M or 1G (default ${DEFAULT_RAM}, at most ${MAX_RAM_BYTES / MIB}M)
  -smp N              number of harts, 1 to ${MAX_HARTS} (default 1)
  -kernel FILE        ELF executable, Linux image (gzip and EFI zboot are unpacked) or flat image; at 0x80000000 it
                      starts in M-mode, elsewhere in S-mode with SBI
  -initrd FILE        initial RAM disk for a Linux kernel
  -append TEXT        kernel command line (bootargs in the device tree)
  -bios none          no SBI: the kernel starts in M-mode, a flat image at 0x80000000
  -bios FILE          firmware (ELF or flat, at 0x80000000) that starts in M-mode on every hart, such as OpenSBI's
                      fw_dynamic; a flat kernel then lies behind it, at the next 2 MiB
  -serial WHERE       stdio, unix:PATH (a socket for any number of clients), file:PATH or null
  -drive file=PATH,format=raw[,if=virtio][,readonly=on][,cache=writethrough][,discard=unmap]
                      a disk in a raw file; with if=none,id=ID it needs a device:
  -device virtio-blk-device,drive=ID[,serial=TEXT][,num-queues=N]
  -chardev socket,path=PATH,server=on,wait=off,id=ID, -chardev file,path=PATH,id=ID or -chardev null,id=ID
                      what a port speaks to
  -device virtio-serial-device
                      a device with ports, which follow it:
  -device virtconsole,chardev=ID
                      the guest's console hvc0
  -device virtserialport,chardev=ID,name=NAME
                      a channel, such as org.qemu.guest_agent.0
  -device virtio-rng-device
                      random numbers of the host
  -device virtio-balloon-device[,deflate-on-oom=on][,free-page-reporting=on]
                      memory that the guest gives up goes back to the host; QMP: balloon, query-balloon
  -netdev stream,id=ID,addr.type=unix,addr.path=PATH[,reconnect-ms=N][,vnet_hdr=on]
                      a socket that carries frames, of a switch or of QEMU; also addr.type=inet,addr.host=,addr.port=;
                      vnet_hdr: with virtio-net headers, for switches that know them
  -device virtio-net-device,netdev=ID[,mac=52:54:00:12:34:56][,host_mtu=1500]
                      network card; QMP: set_link, announce-self
                      failover=on: traffic may go by another card of this address, which has failover_pair_id=ID of
                      this one, is a device of the host, and is let go by the guest before a migration
  -watchdog-action WHAT
                      when the guest's watchdog expires: ${WATCHDOG_ACTIONS.join(', ')} (default reset)
  -accel drover[,translate=on|off]
                      whether code that is executed often is translated, the default, or all is interpreted
  -nographic          without -serial: stdio. On a terminal, Ctrl-A X ends the VM
  -qmp ADDRESS        unix:PATH,server=on,wait=off or tcp:HOST:PORT,server=on,wait=off; may be given again
  -incoming WHERE     wait for a migration: tcp:HOST:PORT, unix:PATH or defer (until migrate-incoming)
  -x-drover-epoch N   the VM's newest owner so far; only a newer one may come in (default 1)
  -S                  do not start the harts before the QMP command cont
  -name NAME, -uuid UUID
  -run-with user=NAME|UID:GID
                      started by root: become that user once everything is open
  -sandbox on         from then on, no new privileges and no system calls that a VMM has no use for (seccomp)
  -pidfile FILE       write the process id there once the VM is ready
  -help, -version     with -sandbox on, -version tries that

The exit status is what the guest writes into the test finisher, or at the symbol tohost of an ELF kernel as RISC-V test
suites do; 1 for an error of this program.`;

/** Reads argv (without node and script). Throws a UsageError that names the option and what to do. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const given = collect(argv);
  if (given.has('help')) return { kind: 'help' };
  const one = (name: string) => given.get(name)?.[0];
  const sandbox = parseSwitch('sandbox', one('sandbox') ?? 'off');
  if (given.has('version')) return { kind: 'version', sandbox };

  const machine = one('M') ?? one('machine');
  if (machine !== undefined && machine !== 'virt') throw bad('M', machine, 'the only machine is virt');
  const kernel = one('kernel');
  const incoming = one('incoming');
  const bios = parseBios(one('bios'));
  if (kernel === undefined && incoming === undefined && typeof bios === 'string')
    throw new UsageError('-kernel is missing: name an ELF file or image');
  for (const option of ['initrd', 'append']) {
    if (kernel === undefined && given.has(option))
      throw new UsageError(`-${option} needs -kernel: it is for the kernel`);
  }
  const initrd = one('initrd');
  const runWith = one('run-with');
  const nographic = given.has('nographic');
  const serial = one('serial') ?? (nographic ? 'stdio' : 'null');
  return {
    kind: 'run',
    ramBytes: parseMemory(one('m') ?? DEFAULT_RAM),
    harts: parseHarts(one('smp') ?? '1'),
    ...(kernel !== undefined && { kernel }),
    ...(initrd !== undefined && { initrd }),
    append: one('append') ?? '',
    bios,
    serial: parseSerial(serial),
    qmp: (given.get('qmp') ?? []).map(parseQmp),
    ...(incoming !== undefined && { incoming: parseIncoming(incoming) }),
    epoch: parseEpoch(one('x-drover-epoch') ?? '1'),
    startStopped: given.has('S'),
    nographic,
    ...parseIdentity(one('name'), one('uuid')),
    devices: given.get('device') ?? [],
    netdevs: given.get('netdev') ?? [],
    ...(runWith !== undefined && { runWith: parseRunWith(runWith) }),
    sandbox,
    acceleration: parseAcceleration(one('accel')),
    watchdogAction: parseWatchdogAction(one('watchdog-action') ?? 'reset'),
    chardevs: given.get('chardev') ?? [],
    drives: given.get('drive') ?? [],
    ...(one('pidfile') !== undefined && { pidfile: one('pidfile')! }),
  };
}

const bad = (option: string, value: string, remedy: string) => new UsageError(`-${option} ${value}: ${remedy}`);

/** Values by option name; flags have none. */
function collect(argv: readonly string[]): Map<string, string[]> {
  const given = new Map<string, string[]>();
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    const name = word.replace(/^--?/, '');
    const isFlag = FLAGS.some((flag) => flag === name);
    if (!word.startsWith('-') || (!isFlag && !VALUES.includes(name))) {
      throw new UsageError(`${word}: unknown option; -help lists those there are`);
    }
    if (given.has(name) && !LISTS.includes(name) && !isFlag)
      throw new UsageError(`-${name} is given twice: give it once`);
    const value = isFlag ? undefined : argv[++index];
    if (!isFlag && value === undefined) throw new UsageError(`-${name} needs a value; see -help`);
    given.set(name, [...(given.get(name) ?? []), ...(value === undefined ? [] : [value])]);
  }
  return given;
}

/** QEMU's sizes: a number and K, M or G; M without a letter. */
function parseMemory(text: string): number {
  const [, digits, unit] = /^(?:size=)?(\d+)([kmg]?)b?$/i.exec(text) ?? [];
  if (digits === undefined) throw bad('m', text, 'give a size such as 256M or 1G');
  const shift = { k: 10, m: 20, '': 20, g: 30 }[unit!.toLowerCase()]!;
  const bytes = Number(digits) * 2 ** shift;
  if (bytes < MIB || bytes > MAX_RAM_BYTES || bytes % MIB !== 0) {
    const more = hasLongAddresses() ? '' : '; more needs Node.js 24 or newer';
    throw bad('m', text, `choose a whole number of MiB from 1M to ${MAX_RAM_BYTES / MIB}M${more}`);
  }
  return bytes;
}

function parseHarts(text: string): number {
  const [, digits] = /^(?:cpus=)?(\d+)$/.exec(text) ?? [];
  const harts = Number(digits);
  if (digits === undefined || harts < 1 || harts > MAX_HARTS) throw bad('smp', text, `choose 1 to ${MAX_HARTS} harts`);
  return harts;
}

function parseBios(text: string | undefined): Options['bios'] {
  if (text === undefined || text === 'default') return 'sbi';
  return text === 'none' ? text : { file: text };
}

function parseSerial(text: string): SerialOption {
  if (text === 'stdio' || text === 'null') return { kind: text };
  const [, kind, path] = /^(unix|file):([^,]+)(?:,server(?:=on)?,(?:wait=off|nowait))?$/.exec(text) ?? [];
  if (kind === undefined) throw bad('serial', text, 'give stdio, unix:PATH, file:PATH or null');
  return { kind: kind as 'unix' | 'file', path: path! };
}

function parseQmp(text: string): SocketAddress {
  const [where, ...settings] = text.split(',');
  const isServer = settings.includes('server=on') || settings.includes('server');
  const isPatient = settings.includes('wait=off') || settings.includes('nowait');
  if (settings.length !== 2 || !isServer || !isPatient) throw bad('qmp', text, 'end it with ,server=on,wait=off');
  const [, path] = /^unix:(.+)$/.exec(where!) ?? [];
  if (path !== undefined) return { path };
  return parseTcp('qmp', where!, 'give unix:PATH or tcp:HOST:PORT before ,server=on,wait=off');
}

function parseIncoming(text: string): 'defer' | MigrationAddress {
  if (text === 'defer') return text;
  try {
    return parseMigrationUri(text);
  } catch {
    throw bad('incoming', text, 'give tcp:HOST:PORT, unix:PATH or defer');
  }
}

function parseEpoch(text: string): number {
  const epoch = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(epoch)) throw bad('x-drover-epoch', text, 'give a whole number');
  return epoch;
}

function parseTcp(option: string, text: string, remedy: string): { host: string; port: number } {
  const [, host, port] = /^tcp:(.*):(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) throw bad(option, text, remedy);
  return { host: host!.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1', port: Number(port) };
}

function parseSwitch(option: string, text: string): boolean {
  if (text !== 'on' && text !== 'off') throw bad(option, text, 'give on or off');
  return text === 'on';
}

function parseWatchdogAction(text: string): WatchdogAction {
  const action = WATCHDOG_ACTIONS.find((each) => each === text);
  if (!action) throw bad('watchdog-action', text, `choose ${WATCHDOG_ACTIONS.join(', ')}`);
  return action;
}

function parseIdentity(name: string | undefined, uuid: string | undefined) {
  if (uuid !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) {
    throw bad('uuid', uuid, 'give 32 hexadecimal digits as 8-4-4-4-12');
  }
  const plain = name?.replace(/^guest=/, '').split(',')[0];
  return { ...(plain && { name: plain }), ...(uuid && { uuid: uuid.toLowerCase() }) };
}
