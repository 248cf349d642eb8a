/** How fast guest code runs: work of several kinds, timed by the guest itself, with the dirty log off and on. */
import { incomingUri } from './migrate.js';
import { type Program, DROVER, installedPrograms, withoutQemu } from './programs.js';
import { type Section, formatFigure, formatRatio, median } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

interface Work {
  readonly name: string;
  /** Parameters of the guest program speed: enough rounds for a second or two on QEMU. */
  readonly run: string;
  readonly rounds: number;
  readonly harts?: number;
}

const WORKS: readonly Work[] = [
  { name: 'mix of lists, matrix, state machine, CRC', run: 'mix', rounds: 2000 },
  { name: 'sieve', run: 'sieve', rounds: 250 },
  { name: 'quicksort', run: 'sort', rounds: 500 },
  { name: 'CRC-32', run: 'crc', rounds: 1200 },
  { name: 'streaming over 48 MiB', run: 'stream', rounds: 12 },
  { name: 'a store to each page of 256 MiB', run: 'touch', rounds: 25 },
  { name: 'floating point', run: 'float', rounds: 4000 },
  { name: 'page faults and system calls', run: 'system', rounds: 600 },
  { name: 'mix on four harts', run: 'mix', rounds: 1000, harts: 4 },
];
const RAM_MIB = 512;
/** The work begins so late; if the dirty log is to be on, a migration is in its first pass by then. */
const WAIT_MS = 700;
const BANDWIDTH_BYTES_PER_SECOND = 256 * 1024;

interface Measured {
  /** Guest time that the work took; with several harts, the slowest one's. */
  readonly timeMs: number;
  /** CPU time of the harts' threads: what others do on the machine, such as migrating, is not in it. */
  readonly hartCpuMs: number;
}

async function measure(program: Program, work: Work, dirtyLog: boolean): Promise<Measured> {
  const { run, rounds, harts = 1 } = work;
  const append = `run=${run} rounds=${rounds} harts=${harts} wait=${WAIT_MS}`;
  const options = { program, ramMiB: RAM_MIB, harts, guest: 'speed', append };
  const vm = await VmProcess.start(options);
  const destination = dirtyLog ? await VmProcess.start({ ...options, incoming: true }) : undefined;
  try {
    if (destination) await keepMigrating(vm, destination);
    const threads = await vm.hartThreads();
    let hartCpuMs = 0; // the guest switches off when it is done: what was seen last counts
    const result = /^speed run=\S+ hart=\d+ us=(\d+) check=/gm; // a line may be read before it is written to its end
    const timesUs = await waitFor(
      `${program.name}: ${run}`,
      () => {
        hartCpuMs = vm.cpuMsOf(threads) ?? hartCpuMs;
        const found = [...vm.console.matchAll(result)].map(([, us]) => Number(us));
        return found.length === harts ? found : undefined;
      },
      { timeoutMs: 300_000, intervalMs: 5 },
    );
    return { timeMs: Math.max(...timesUs) / 1000, hartCpuMs };
  } finally {
    await vm.end();
    await destination?.end();
  }
}

/**
 * A migration that never ends, because its downtime limit is too short for what even one page takes. If it did, the
 * result would never appear at the source.
 */
async function keepMigrating(source: VmProcess, destination: VmProcess): Promise<void> {
  await source.qmp.execute('migrate-set-parameters', {
    'max-bandwidth': BANDWIDTH_BYTES_PER_SECOND,
    'downtime-limit': 0,
  });
  await source.qmp.execute('migrate', { uri: await incomingUri(destination) });
}

/** The table of speeds; `say` hears how it goes on. */
export async function benchSpeed(repeats: number, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const rows: string[][] = [];
  const ratios: number[] = [];
  for (const work of WORKS) {
    // Programs take turns, so that a slow minute of the machine hits both.
    const off = programs.map(() => [] as Measured[]);
    const on = programs.map(() => [] as Measured[]);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [index, program] of programs.entries()) off[index]!.push(await measure(program, work, false));
      for (const [index, program] of programs.entries()) on[index]!.push(await measure(program, work, true));
    }
    const [ours, theirs] = off.map((runs) => median(runs.map(({ timeMs }) => timeMs)));
    const cpuMs = (runs: readonly Measured[]) => median(runs.map(({ hartCpuMs }) => hartCpuMs));
    const compared = theirs === undefined ? [] : [formatFigure(theirs), formatRatio(theirs, ours!)];
    const cost = off.map((runs, index) => `${formatFigure((cpuMs(on[index]!) / cpuMs(runs) - 1) * 100)} %`);
    if (theirs !== undefined) ratios.push(theirs / ours!);
    rows.push([work.name, formatFigure(ours!), ...compared, ...cost]);
    say(`speed, ${rows.at(-1)!.join(', ')}`);
  }
  const geometricMean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  const names = programs.map(({ name }) => name);
  return {
    columns: [
      'Work',
      ...names.map((name) => `${name}, ms`),
      ...(programs.length > 1 ? [`speed of ${DROVER.name}`] : []),
      ...names.map((name) => `${name}, dirty log on`),
    ],
    rows,
    notes: [
      ...(ratios.length > 0 ? [`Geometric mean of the speeds: ${formatFigure(geometricMean)}× QEMU's.`] : []),
      `Each time is the median of ${repeats}, taken by the guest's clock, with the translation of its code in it.`,
      'Dirty log on: how much more CPU time the harts take while a migration that cannot converge syncs the log all the time.',
      ...withoutQemu(programs),
    ],
  };
}
