/** What a VM costs and does by itself: instructions per second, start-up, memory and CPU of an idle one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assemble, b, i, jal, li, r, s, sizeOf } from '../vmm/assembler.js';
import { heartbeats } from './pager.js';
import { type Program, DROVER, guestFile, installedPrograms, withoutQemu } from './programs.js';
import { type Section, formatFigure, formatRatio, median } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

const RAM_BASE = 0x8000_0000;
const FINISHER = 0x10_0000n;
const PASS = 0x5555n;
const [t0, t1, t2, t3] = [5, 6, 7, 28] as const;
const LOOP = [r('add', t1, t1, t0), r('xor', t2, t2, t1), r('add', t3, t3, t2), i('addi', t0, t0, -1)];
const INSTRUCTIONS_PER_ROUND = LOOP.length + 1;
/** The loop is timed for this much longer than a run that ends at once. */
const LOOP_MS = 1500;

/** A flat image in M-mode that goes round the loop so often, then ends the machine. */
function loopImage(rounds: number): Uint8Array {
  const finish = [...li(t0, FINISHER), ...li(t1, PASS), s('sw', t1, t0, 0), jal(0, 0)];
  return assemble([...li(t0, BigInt(rounds)), ...LOOP, b('bne', t0, 0, -sizeOf(LOOP)), ...finish]);
}

/** Runs the program and resolves to the ms until `seen` occurs on its standard output, or until it has ended well. */
async function timeProcess(program: Program, args: readonly string[], seen?: string): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(program.command, [...program.args, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let seenMs: number | undefined;
  child.stdout.on('data', (text) => {
    output += String(text);
    if (seen !== undefined && output.includes(seen)) seenMs ??= performance.now() - startedAt;
  });
  const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (status !== 0) throw new Error(`${program.name} ended with status ${String(status)}: ${output}`);
  if (seen !== undefined && seenMs === undefined) throw new Error(`${program.name} did not print ${seen}: ${output}`);
  return seenMs ?? performance.now() - startedAt;
}

/** Million instructions per second of one hart. */
async function measureMips(program: Program): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-bench-'));
  const image = join(folder, 'loop.bin');
  const loader = ['-device', `loader,file=${image},addr=${RAM_BASE},force-raw=on`];
  const args = ['-m', '16M', '-bios', 'none', '-serial', 'null', ...(program === DROVER ? ['-kernel', image] : loader)];
  const time = (rounds: number) => {
    writeFileSync(image, loopImage(rounds));
    return timeProcess(program, args);
  };
  try {
    const emptyMs = await time(1);
    for (let rounds = 10_000_000; ; rounds *= 4) {
      const loopMs = (await time(rounds)) - emptyMs;
      if (loopMs >= LOOP_MS) return (rounds * INSTRUCTIONS_PER_ROUND) / loopMs / 1000;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const measureStart = (program: Program): Promise<number> =>
  timeProcess(program, ['-m', '64M', '-kernel', guestFile('hello'), '-serial', 'stdio'], 'hello from hart');

/** Resident memory, and CPU in percent of one core, of a VM whose guest only counts seconds. */
async function measureIdle(program: Program, seconds: number): Promise<{ residentMiB: number; cpuPercent: number }> {
  const vm = await VmProcess.start({ program, ramMiB: 128, guest: 'pager', append: 'region=1 rate=0' });
  try {
    await waitFor('three heartbeats', () => heartbeats(vm.console) >= 3 || undefined);
    const [cpuSeconds, startedAt] = [vm.cpuSeconds(), performance.now()];
    await sleep(seconds * 1000);
    const elapsedSeconds = (performance.now() - startedAt) / 1000;
    return { residentMiB: vm.residentMiB(), cpuPercent: ((vm.cpuSeconds() - cpuSeconds) / elapsedSeconds) * 100 };
  } finally {
    await vm.end();
  }
}

/** The table of single VMs; `say` hears how it goes on. */
export async function benchMachine(repeats: number, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const idleSeconds = repeats > 1 ? 10 : 3;
  const figures = {
    'Loop of five instructions, MIPS': measureMips,
    'Start of the process to the first output of the guest, ms': measureStart,
    'Resident memory of an idle VM of 128 MiB, MiB': async (program: Program) =>
      (await measureIdle(program, 1)).residentMiB,
    'CPU of an idle VM, percent of a core': async (program: Program) =>
      (await measureIdle(program, idleSeconds)).cpuPercent,
  };
  const rows: string[][] = [];
  for (const [name, measure] of Object.entries(figures)) {
    const medians: number[] = [];
    for (const program of programs) {
      const runs: number[] = [];
      for (let repeat = 0; repeat < repeats; repeat++) runs.push(await measure(program));
      medians.push(median(runs));
      say(`machine, ${name}, ${program.name}: ${formatFigure(medians.at(-1)!)}`);
    }
    const [ours, theirs] = medians;
    const compared = theirs === undefined ? [] : [formatFigure(theirs), formatRatio(ours!, theirs)];
    rows.push([name, formatFigure(ours!), ...compared]);
  }
  return {
    columns: ['Figure', ...programs.map(({ name }) => name), ...(programs.length > 1 ? ['ratio'] : [])],
    rows,
    notes: [`Each figure is the median of ${repeats}.`, ...withoutQemu(programs)],
  };
}
