/**
 * What the dirty log costs: one guest does the same work lap after lap, with the log off and on in turns. CPU time of the
 * harts' threads for a lap is compared with that of the windows before and after, so neither a slow minute of the machine
 * nor other processes nor how this one was started are taken for the log's cost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DROVER, type Program } from './programs.js';
import { median, quartiles } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

export interface LapWork {
  readonly run: string;
  /** For a lap: a window ends somewhere in one, so each should take a few ms at most. */
  readonly rounds: number;
  readonly harts?: number;
}

/** In percent of the CPU time that the work takes. */
export interface LogCost {
  readonly median: number;
  /** First and third quartile of the windows. */
  readonly quartiles: readonly [number, number];
}

const RAM_MIB = 512;
const WARM_UP_MS = 2000;
const WINDOW_MS = 1000;
/** How often Drover's log is read while it is on: ten times as often as an agent does. */
export const SYNC_MS = 100;
const QEMU_BANDWIDTH_BYTES_PER_SECOND = 256 * 1024;

/** Measures `windows` windows with the log on, each between two with the log off. */
export async function dirtyLogCost(
  program: Program,
  { run, rounds, harts: count = 1 }: LapWork,
  windows: number,
): Promise<LogCost> {
  const append = `run=${run} rounds=${rounds} harts=${count} laps=1000000`;
  const vm = await VmProcess.start({ program, ramMiB: RAM_MIB, harts: count, guest: 'speed', append });
  try {
    const harts = await vm.hartThreads();
    await waitFor(`${program.name}: first lap of ${run}`, () => (laps(vm) > 0 ? true : undefined));
    await sleep(WARM_UP_MS);
    const cpuMs = () => cpuMsOfLap(vm, harts);
    const log = logOf(program, vm);
    const costs: number[] = [];
    let before = await cpuMs();
    for (let window = 0; window < windows; window++) {
      const during = await log(() => cpuMs());
      const after = await cpuMs();
      costs.push((during / ((before + after) / 2) - 1) * 100);
      before = after;
    }
    return { median: median(costs), quartiles: quartiles(costs) };
  } finally {
    await vm.end();
  }
}

const laps = (vm: VmProcess): number => vm.console.match(/ us=/g)?.length ?? 0;

/** CPU time that a lap takes in a window that begins now. */
async function cpuMsOfLap(vm: VmProcess, harts: readonly number[]): Promise<number> {
  const look = () => ({ laps: laps(vm), cpuMs: vm.cpuMsOf(harts)! });
  const before = look();
  await sleep(WINDOW_MS);
  const after = await waitFor(`${vm.options.program.name}: laps`, () => (laps(vm) > before.laps ? look() : undefined));
  return (after.cpuMs - before.cpuMs) / (after.laps - before.laps);
}

/** Has the log on while it waits for something. */
type WithLog = <T>(body: () => Promise<T>) => Promise<T>;

const logOf = (program: Program, vm: VmProcess): WithLog => (program === DROVER ? drover(vm) : qemu(vm));

/** Drover's log is always on; what costs is reading it, since the next store to each page is noted again. */
function drover(vm: VmProcess): WithLog {
  return async (body) => {
    const over = new AbortController();
    const reading = (async () => {
      for (; !over.signal.aborted; await sleep(SYNC_MS)) await vm.qmp.execute('x-drover-stats');
    })();
    const result = await body();
    over.abort();
    await reading;
    return result;
  };
}

/** QEMU switches its log on when a migration begins; this one goes nowhere, too slowly to be felt. */
function qemu(vm: VmProcess): WithLog {
  return async (body) => {
    await vm.qmp.execute('migrate-set-parameters', { 'max-bandwidth': QEMU_BANDWIDTH_BYTES_PER_SECOND });
    await vm.qmp.execute('migrate', { uri: 'exec:cat >/dev/null' });
    const result = await body();
    await vm.qmp.execute('migrate_cancel');
    await waitFor('QEMU: end of the migration', async () => {
      const { status } = await vm.qmp.execute<{ status: string }>('query-migrate');
      return status === 'cancelled' ? true : undefined;
    });
    return result;
  };
}
