/** How fast guest code runs: work of several kinds, timed by the guest itself, with the dirty log off and on. */
import { type LogCost, dirtyLogCost, SYNC_MS } from './dirty-log-cost.js';
import { type Program, DROVER, installedPrograms, withoutQemu } from './programs.js';
import { type Section, formatFigure, formatRatio, median } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

interface Work {
  readonly name: string;
  /** Parameters of the guest program speed: enough rounds for a second or two on QEMU. */
  readonly run: string;
  readonly rounds: number;
  /** Enough for some ms; more of these laps tell what the dirty log costs. */
  readonly roundsOfLap: number;
  readonly harts?: number;
}

const WORKS: readonly Work[] = [
  { name: 'mix of lists, matrix, state machine, CRC', run: 'mix', rounds: 2000, roundsOfLap: 15 },
  { name: 'sieve', run: 'sieve', rounds: 250, roundsOfLap: 2 },
  { name: 'quicksort', run: 'sort', rounds: 500, roundsOfLap: 2 },
  { name: 'CRC-32', run: 'crc', rounds: 1200, roundsOfLap: 4 },
  { name: 'streaming over 48 MiB', run: 'stream', rounds: 12, roundsOfLap: 1 },
  { name: 'a store to each page of 256 MiB', run: 'touch', rounds: 25, roundsOfLap: 1 },
  { name: 'floating point', run: 'float', rounds: 4000, roundsOfLap: 35 },
  { name: 'page faults and system calls', run: 'system', rounds: 600, roundsOfLap: 3 },
  { name: 'mix on four harts', run: 'mix', rounds: 1000, roundsOfLap: 15, harts: 4 },
];
const RAM_MIB = 512;
/** With the dirty log on and off, for each of the `repeats` of the other measurements. */
const WINDOWS_OF_REPEAT = 4;

/** Guest time that the work takes; with several harts, the slowest one's. */
async function timeMs(program: Program, { run, rounds, harts = 1 }: Work): Promise<number> {
  const append = `run=${run} rounds=${rounds} harts=${harts}`;
  const vm = await VmProcess.start({ program, ramMiB: RAM_MIB, harts, guest: 'speed', append });
  try {
    const result = /^speed run=\S+ hart=\d+ us=(\d+) check=/gm; // a line may be read before it is written to its end
    const timesUs = await waitFor(
      `${program.name}: ${run}`,
      () => {
        const found = [...vm.console.matchAll(result)].map(([, us]) => Number(us));
        return found.length === harts ? found : undefined;
      },
      { timeoutMs: 300_000 },
    );
    return Math.max(...timesUs) / 1000;
  } finally {
    await vm.end();
  }
}

const formatCost = ({ median: middle, quartiles: [low, high] }: LogCost): string =>
  `${middle.toFixed(1)} % (${low.toFixed(1)} to ${high.toFixed(1)})`;

/** The table of speeds; `say` hears how it goes on. */
export async function benchSpeed(repeats: number, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const rows: string[][] = [];
  const ratios: number[] = [];
  for (const work of WORKS) {
    // Programs take turns, so that a slow minute of the machine hits both.
    const times = programs.map(() => [] as number[]);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [index, program] of programs.entries()) times[index]!.push(await timeMs(program, work));
    }
    const [ours, theirs] = times.map(median);
    const compared = theirs === undefined ? [] : [formatFigure(theirs), formatRatio(theirs, ours!)];
    const lap = { ...work, rounds: work.roundsOfLap };
    const cost: string[] = [];
    for (const program of programs) {
      cost.push(formatCost(await dirtyLogCost(program, lap, repeats * WINDOWS_OF_REPEAT)));
    }
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
      `Dirty log on: how much more CPU time the harts take for the same; median (and quartiles) of ${repeats * WINDOWS_OF_REPEAT} seconds with it on, each between two with it off. Drover's is read every ${SYNC_MS} ms; QEMU's is on in a migration that does not end.`,
      ...withoutQemu(programs),
    ],
  };
}
