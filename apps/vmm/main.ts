#!/usr/bin/env node
/** The VMM process: reads its command line, builds the machine, starts a thread for each hart, listens for QMP. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listenQmp, QmpServer } from '#qmp';
import { GuestMemory, Machine, MAX_RAM_BYTES, type AddressType } from '#vmm';
import { bootFrom } from './boot-files.js';
import { registerBlockCommands, tellOfDiskErrors } from './block-commands.js';
import { openBlockLayer } from './block/block-layer.js';
import { registerCheckpointCommands } from './checkpoint-commands.js';
import { registerCommands } from './commands.js';
import { registerBalloonCommands } from './devices/balloon.js';
import { pairUp } from './devices/failover.js';
import { limitMalloc } from './malloc.js';
import { Migration } from './migration.js';
import { registerNicCommands } from './devices/net.js';
import { Netdevs } from './devices/netdev.js';
import { openChardevs, registerChardevCommands } from './devices/chardevs.js';
import { openDrives } from './devices/drives.js';
import { plugDevices } from './devices/plug.js';
import { SerialBuses } from './devices/serial-buses.js';
import { registerPageSampling } from './page-sampling.js';
import { HELP, parseCommandLine, type Options } from './options.js';
import { registerObjects } from './qom.js';
import { become } from './sandbox/run-with.js';
import { prepareSandbox } from './sandbox/sandbox.js';
import { openSerial } from './serial.js';
import { startHarts } from './threads.js';
import { TlsObjects } from './tls-credentials.js';
import { UsageError } from './usage-error.js';
import { EVENTS, Vm } from './vm.js';

/** What is compiled for memories of either kind. */
type Modules = Readonly<Record<AddressType, URL>>;

const PACKAGE = new URL('../../../package.json', import.meta.url);
const CODEC_MODULES: Modules = {
  i32: new URL('../../libs/migration/codec/codec.wasm', import.meta.url),
  i64: new URL('../../libs/migration/codec/codec64.wasm', import.meta.url),
};
const MIGRATION_WORKER = new URL('./migration-worker.js', import.meta.url);
const HART_MODULES: Modules = {
  i32: new URL('../../libs/vmm/cpu/cpu.wasm', import.meta.url),
  i64: new URL('../../libs/vmm/cpu/cpu64.wasm', import.meta.url),
};

process.stderr.on('error', () => {}); // whoever started this process may be gone: the guest goes on

/** Says in one line why the VMM ends, and ends it. */
function fail(error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error);
  const bug = error instanceof Error && !(error instanceof UsageError);
  process.stderr.write(`drover-vmm: ${bug ? error.stack : reason}\n`);
  process.exit(1);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

function version(): string {
  return (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version;
}

const compile = (file: URL) => new WebAssembly.Module(readFileSync(fileURLToPath(file)));

/** What an option opens, or a UsageError that names the option, or another one that is to blame. */
async function open<T>(option: string, opening: () => Promise<T> | T): Promise<T> {
  try {
    return await opening();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${option}: ${(error as Error).message}`);
  }
}

async function run(options: Options): Promise<void> {
  const [major, minor, micro] = version().split('.').map(Number) as [number, number, number];
  const addresses = GuestMemory.addressesFor(options.ramBytes);
  const hartModule = compile(HART_MODULES[addresses]);
  const closers: (() => Promise<void> | void)[] = [];
  const exit = async (status: number) => {
    for (const close of closers) await close();
    process.exit(status);
  };

  const qmp = new QmpServer({
    version: { qemu: { major, minor, micro }, package: `drover-${major}.${minor}.${micro}` },
    events: EVENTS,
    now: Date.now,
    onInternalError: (command, error) => process.stderr.write(`drover-vmm: QMP ${command}: ${String(error)}\n`),
  });
  const serial = await open('-serial', () =>
    openSerial(options.serial, options.nographic, {
      input: (bytes) => machine.uart.receive(bytes),
      quit: () => void vm.shutdown('host-ui'),
    }),
  );
  closers.push(() => serial.close());

  const log = (line: string) => process.stderr.write(`drover-vmm: ${line}\n`);
  const event = (name: string, data: Readonly<Record<string, unknown>>) => qmp.emit(name, data);
  const drives = await openDrives(
    options.drives,
    tellOfDiskErrors({ event, log }, () => void vm.holdForDisk()),
  );
  closers.push(() => drives.close());
  const netdevs = new Netdevs(options.netdevs);
  const chardevs = await openChardevs(options.chardevs, log);
  closers.push(() => chardevs.close());
  const host = { event, log, drives, chardevs, netdevs, serialBuses: new SerialBuses() };
  const { plugged, objects } = await plugDevices(options, host);
  for (const id of netdevs.left) log(`netdev ${id} is plugged into no NIC: add -device virtio-net-device,netdev=${id}`);
  registerObjects(qmp, objects);
  registerBalloonCommands(qmp, plugged);
  registerBlockCommands(qmp, drives);
  registerChardevCommands(qmp, chardevs);
  registerNicCommands(qmp, plugged);
  const failoverPairs = await open('-device', () => pairUp(plugged, event));
  for (const { close } of plugged) if (close) closers.push(close);

  let consoleBytes = 0;
  const { ramBytes, harts, incoming, startStopped, epoch } = options;
  const boot = bootFrom(options);
  const machine = await open(options.kernel === undefined ? '-bios' : `-kernel ${options.kernel}`, () => {
    return new Machine(
      {
        ramBytes,
        harts,
        ...(boot && { boot }),
        incoming: incoming !== undefined,
        virtio: plugged.flatMap(({ device }) => device ?? []),
      },
      {
        hartModule,
        hostNs: process.hrtime.bigint,
        wallNs: () => BigInt(Date.now()) * 1_000_000n,
        callAfter: (ms, action) => {
          const timer = setTimeout(action, ms);
          return () => clearTimeout(timer);
        },
        consoleOutput: (bytes) => {
          consoleBytes += bytes.length;
          serial.output(bytes);
        },
        guestShutdown: (status) => void vm.shutdown('guest-shutdown', status),
        guestReset: () => void vm.guestReset(),
        watchdogExpired: () => void vm.watchdogExpired(),
        deviceError: (slot, reason) => log(`virtio slot ${slot}: ${reason}`),
        nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
      },
    );
  });
  if (incoming === undefined) {
    await open('-drive', () => drives.lock());
    for (const pair of failoverPairs) pair.allow();
  }
  const begin = { incoming: incoming !== undefined, startStopped, epoch };
  const tlsObjects = new TlsObjects(qmp);
  const block = openBlockLayer(qmp, drives, tlsObjects, { mayBeWritten: () => vm.runState === 'inmigrate' }, log);
  closers.push(() => block.close());
  const { disks } = block;
  const vm = new Vm(machine, qmp, options, begin, { exit: (status) => void exit(status), log, disks });
  vm.watchdogAction = options.watchdogAction;
  const threadIds = startHarts(machine, hartModule, options.acceleration, { hartFailed: fail, log });
  registerCommands(qmp, vm, { threadId: (hart) => threadIds[hart]!, consoleBytes: () => consoleBytes });
  const codecModule = compile(CODEC_MODULES[addresses]);
  registerCheckpointCommands(qmp, vm, codecModule, log);
  registerPageSampling(qmp, machine.memory, codecModule);
  const migration = new Migration(qmp, vm, { codecModule, tlsObjects, log, failoverPairs });
  void machine.serveHarts().catch(fail);

  if (incoming !== undefined && incoming !== 'defer') {
    await open('-incoming', () => migration.listen(incoming, epoch, () => void exit(1)));
  }

  const enterSandbox = options.sandbox ? await open('-sandbox on', prepareSandbox) : undefined;
  for (const address of options.qmp) {
    const where = 'path' in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;
    const listener = await open(`-qmp ${where}`, () => listenQmp(qmp, address));
    closers.push(() => listener.close());
  }
  if (options.pidfile !== undefined) {
    const { pidfile } = options;
    await open(`-pidfile ${pidfile}`, () => writeFileSync(pidfile, `${process.pid}\n`));
    closers.push(() => removePidfile(pidfile, log));
  }
  // Everything is open: from here on this process is who it shall be, and no guest has run yet.
  if (options.runWith) become(options.runWith, filesOpenedLater(options));
  if (enterSandbox) await open('-sandbox on', enterSandbox);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void vm.shutdown('host-signal'));

  if (!begin.incoming && !startStopped) vm.resume();
  await limitMalloc(); // takes a moment in which the guest has begun already
}

/** What a reset or a migration reads again. */
function filesOpenedLater({ kernel, initrd, bios }: Options): string[] {
  const firmware = typeof bios === 'string' ? undefined : bios.file;
  return [kernel, initrd, firmware, fileURLToPath(MIGRATION_WORKER)].filter((file) => file !== undefined);
}

/** Whoever this process has become may not be allowed to. */
function removePidfile(pidfile: string, log: (line: string) => void): void {
  try {
    rmSync(pidfile, { force: true });
  } catch (error) {
    log(`-pidfile ${pidfile} stays: ${(error as Error).message}`);
  }
}

try {
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.kind === 'help') process.stdout.write(`${HELP}\n`);
  else if (commandLine.kind === 'version') {
    if (commandLine.sandbox) await open('-sandbox on', async () => (await prepareSandbox())());
    process.stdout.write(`drover-vmm ${version()}\nguest memory: 1 to ${MAX_RAM_BYTES / 2 ** 20} MiB\n`);
  } else await run(commandLine);
} catch (error) {
  fail(error);
}
