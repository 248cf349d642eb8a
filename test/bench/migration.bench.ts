/** Migration over the loopback: Drover's VMM and QEMU with the same guest, one after the other. */
import { type MigrationFigures, migrate } from './migrate.js';
import { heartbeats } from './pager.js';
import { type Program, installedPrograms, QEMU, withoutQemu } from './programs.js';
import { type Section, formatFigure, formatRatio, median } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

interface Case {
  readonly guest: string;
  readonly ramMiB: number;
  readonly append: string;
}

const CASES: readonly Case[] = [
  { guest: '256 MiB, idle', ramMiB: 256, append: 'region=192 rate=0' },
  { guest: '256 MiB, writes 32 MiB/s', ramMiB: 256, append: 'region=192 rate=32' },
  { guest: '256 MiB, writes 64 MiB over and over, as fast as it can', ramMiB: 256, append: 'region=64 rate=max' },
  { guest: '1 GiB, idle', ramMiB: 1024, append: 'region=768 rate=0' },
  { guest: '1 GiB, writes 32 MiB/s', ramMiB: 1024, append: 'region=768 rate=32' },
];

const FIGURES = ['throughputMiBps', 'totalMs', 'pauseMs', 'downtimeMs', 'iterations', 'cpuMs'] as const;
/** Heartbeats that must follow each migration. */
const BEATS = 2;

/**
 * Migrates one guest `repeats` times, each time into a new process, and checks it after every one. QEMU without KVM loses
 * writes now and then: `onLoss` hears of it, and the guest is started anew.
 */
async function measure(
  program: Program,
  { ramMiB, append }: Case,
  repeats: number,
  onLoss: (error: Error) => void,
): Promise<MigrationFigures[]> {
  const options = { program, ramMiB, guest: 'pager', append };
  const figures: MigrationFigures[] = [];
  let source = await VmProcess.start(options);
  let earlier = '';
  const beats = () => heartbeats(earlier + source.console);
  const expectBeats = async () => {
    const from = beats();
    const goesOn = async () => {
      await source.nudge();
      return beats() >= from + BEATS || undefined;
    };
    await waitFor(`${BEATS} more heartbeats`, goesOn, { intervalMs: 250, timeoutMs: 120_000 });
  };
  try {
    await expectBeats();
    for (let repeat = 0; repeat < repeats; repeat++) {
      const destination = await VmProcess.start({ ...options, incoming: true });
      try {
        figures.push(await migrate(source, destination));
      } catch (error) {
        await destination.end();
        throw error;
      }
      earlier += source.console;
      await source.end();
      source = destination;
      try {
        await expectBeats();
      } catch (error) {
        if (program !== QEMU) throw error;
        onLoss(error as Error);
        await source.end();
        source = await VmProcess.start(options);
        earlier = '';
        await expectBeats();
      }
    }
  } finally {
    await source.end();
  }
  return figures;
}

/** The table of migrations; `say` hears how it goes on. Throws if one of Drover's does not go on or has lost a page. */
export async function benchMigration(repeats: number, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const rows: string[][] = [];
  let losses = 0;
  for (const one of CASES) {
    const medians: number[][] = [];
    for (const program of programs) {
      const runs = await measure(program, one, repeats, ({ message }) => {
        losses += 1;
        say(`migration, ${one.guest}, ${program.name}: ${message}`);
      });
      const values = FIGURES.map((figure) => median(runs.map((run) => run[figure])));
      say(
        `migration, ${one.guest}, ${program.name}: ${FIGURES.map((f, n) => `${f} ${formatFigure(values[n]!)}`).join(', ')}`,
      );
      rows.push([one.guest, program.name, ...values.map(formatFigure)]);
      medians.push(values);
    }
    const [ours, theirs] = medians;
    if (ours && theirs) rows.push([one.guest, 'ratio', ...ours.map((value, n) => formatRatio(value, theirs[n]!))]);
  }
  return {
    columns: [
      'Guest',
      'VMM',
      'Throughput, MiB/s',
      'Total, ms',
      'Pause, ms',
      'Downtime told, ms',
      'Iterations',
      'CPU, ms',
    ],
    rows,
    notes: [
      `Each figure is the median of ${repeats}.`,
      ...(losses > 0 ? [`QEMU without KVM had lost writes of its guest after ${losses} of its migrations.`] : []),
      ...withoutQemu(programs),
    ],
  };
}
