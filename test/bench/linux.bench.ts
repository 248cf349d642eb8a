/** How Debian's kernel runs: its boot, and stress-ng in its several ways, in bogo operations a second as it counts them. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, installedPrograms, root, withoutQemu } from './programs.js';
import { type Section, formatFigure, formatRatio, median } from './table.js';

const IMAGES = join(root, '.drover/images/linux');
const RAM_MIB = 512;
const STRESS_SECONDS = 10;
/** A guest that says nothing for so long does nothing any more. */
const TIMEOUT_MS = 180_000;

const STRESSORS: Readonly<Record<string, { readonly harts: number; readonly args: string }>> = {
  'stress-ng cpu': { harts: 1, args: '--cpu 1' },
  'stress-ng vm': { harts: 1, args: '--vm 1 --vm-bytes 64M' },
  'stress-ng fork': { harts: 1, args: '--fork 1' },
  'stress-ng cpu on four harts': { harts: 4, args: '--cpu 4' },
};

interface Run {
  readonly output: string;
  /** From the start of the process to the first line of the guest's init. */
  readonly bootMs: number;
}

/** Boots, runs the command instead of a shell, and switches off. Throws if it does not end well in time. */
async function runLinux(program: Program, harts: number, command: string): Promise<Run> {
  const args = [
    ...program.args,
    ...['-m', `${RAM_MIB}M`, '-smp', `${harts}`, '-serial', 'stdio'],
    ...['-kernel', join(IMAGES, 'kernel'), '-initrd', join(IMAGES, 'initrd')],
    ...['-append', `console=ttyS0 quiet -- ${command}`],
  ];
  const startedAt = performance.now();
  const child = spawn(program.command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  let output = '';
  let bootMs: number | undefined;
  child.stdout.on('data', (text) => {
    output += String(text);
    if (output.includes('drover: ready after')) bootMs ??= performance.now() - startedAt;
  });
  const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  clearTimeout(timer);
  if (status !== 0 || bootMs === undefined)
    throw new Error(`${program.name}: ${command}: ${String(status)}: ${output}`);
  return { output, bootMs };
}

const bootSeconds = async (program: Program): Promise<number> => (await runLinux(program, 1, 'true')).bootMs / 1000;

/** Bogo operations per second of real time, the last column but one of stress-ng's metrics. */
async function bogoOps(program: Program, harts: number, args: string): Promise<number> {
  const { output } = await runLinux(program, harts, `stress-ng ${args} --timeout ${STRESS_SECONDS} --metrics-brief`);
  const metrics = /metrc: \[\d+\] (?:cpu|vm|fork) +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+)/.exec(output);
  if (!metrics) throw new Error(`${program.name}: no metrics of stress-ng ${args}: ${output}`);
  return Number(metrics[1]);
}

/** The table of Linux guests; `say` hears how it goes on. */
export async function benchLinux(repeats: number, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const columns = ['Figure', ...programs.map(({ name }) => name), ...(programs.length > 1 ? ['speed of Drover'] : [])];
  if (!existsSync(join(IMAGES, 'kernel'))) {
    return { columns, rows: [], notes: ['No Linux guest here: `npx drover guest fetch` gets one.'] };
  }
  const rows: string[][] = [];
  const measure = async (name: string, of: (program: Program) => Promise<number>, isTime: boolean) => {
    const runs = programs.map(() => [] as number[]);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [index, program] of programs.entries()) runs[index]!.push(await of(program));
    }
    const [ours, theirs] = runs.map(median);
    const speed = isTime ? formatRatio(theirs ?? 0, ours!) : formatRatio(ours!, theirs ?? 0);
    rows.push([name, formatFigure(ours!), ...(theirs === undefined ? [] : [formatFigure(theirs), speed])]);
    say(`linux, ${rows.at(-1)!.join(', ')}`);
  };
  await measure("start of the process to the guest's init, s", bootSeconds, true);
  for (const [name, { harts, args }] of Object.entries(STRESSORS)) {
    await measure(`${name}, bogo operations/s`, (program) => bogoOps(program, harts, args), false);
  }
  return {
    columns,
    rows,
    notes: [`Each figure is the median of ${repeats}.`, ...withoutQemu(programs)],
  };
}
