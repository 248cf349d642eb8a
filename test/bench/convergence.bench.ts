/** Guests that write faster than they are sent: each means alone, Drover's choice, QEMU's auto-converge, oVirt's policies. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BANDWIDTH_MIBPS, deadlineSeconds, RUNS, type Guest, type Run } from './convergence/cases.js';
import { moveBy, type Outcome } from './convergence/observed-migration.js';
import { beatsOf, slowdownPercent } from './convergence/slowdown.js';
import { installedPrograms, QEMU, withoutQemu } from './programs.js';
import { formatFigure, type Section } from './table.js';
import { VmProcess, waitFor } from './vm-process.js';

const BEATS_BEFORE = 4;
const AFTERWARDS_MS = 15_000;

interface Measured extends Outcome {
  readonly slowdownPercent: number | null;
  /** What is wrong with the guest afterwards; empty: nothing. */
  readonly complaint: string;
}

/** QEMU does not carry out all that it may be told. */
const NOT_MOVED = {
  ...{ hasEnded: false, totalMs: 0, pauseMs: null, sentMiB: 0, waits: null, steps: [], slowdownPercent: null },
} as const;

async function measure({ guest, approach }: Run): Promise<Measured> {
  const { program } = approach;
  const { ramMiB, regionMiB, writes } = guest;
  const append = `region=${regionMiB} rate=${writes * BANDWIDTH_MIBPS}`;
  const options = { program, ramMiB, guest: 'pager', append };
  const [source, destination] = await Promise.all([
    VmProcess.start(options),
    VmProcess.start({ ...options, incoming: true }),
  ]);
  try {
    await waitFor('heartbeats', () => beatsOf(source.console).length >= BEATS_BEFORE || undefined, {
      timeoutMs: 120_000,
    });
    const before = beatsOf(source.console);
    const outcome = await moveBy(approach, guest, source, destination);
    const home = outcome.hasEnded ? destination : source;
    const count = () => beatsOf(source.console + (outcome.hasEnded ? destination.console : ''));
    const seen = count().length;
    const isAlive = await goesOn(home, () => count().length > seen);
    const after = count().at(-1)!;
    const lost = /PAGER ERROR.*/.exec(home.console)?.[0];
    const complaint = lost ? 'wrong pages' : isAlive ? '' : 'the guest stands still';
    if (complaint !== '' && program !== QEMU) throw new Error(`after ${approach.name}: ${lost ?? complaint}`);
    const { pauseMs, totalMs } = outcome;
    const slowdown = complaint === '' ? slowdownPercent(before, after, pauseMs ?? 0, totalMs) : null;
    return { ...outcome, slowdownPercent: slowdown, complaint };
  } catch (error) {
    if (program !== QEMU) throw error;
    const words = source.lastWords || destination.lastWords || (error as Error).message;
    return { ...NOT_MOVED, complaint: `it failed: ${words}` };
  } finally {
    await Promise.all([source.end(), destination.end()]);
  }
}

/** Whether it says something within a while; a guest that has found its memory wrong says nothing more. */
async function goesOn(vm: VmProcess, hasSpoken: () => boolean): Promise<boolean> {
  for (const deadline = performance.now() + AFTERWARDS_MS; performance.now() < deadline; await sleep(100)) {
    if (hasSpoken()) return true;
    if (vm.console.includes('PAGER ERROR')) return false;
    await vm.nudge().catch(() => undefined); // its guest may have ended it
  }
  return false;
}

const WRITES: Record<Guest['writes'], string> = { 0: 'nothing', 0.5: 'half the bandwidth', 2: 'twice the bandwidth' };
const nameOf = ({ ramMiB, writes }: Guest) =>
  `${ramMiB < 1024 ? `${ramMiB} MiB` : `${ramMiB / 1024} GiB`}, ${WRITES[writes]}`;

function rowOf({ guest, approach }: Run, { hasEnded, totalMs, pauseMs, sentMiB, ...rest }: Measured): string[] {
  const seconds = formatFigure(totalMs / 1000);
  return [
    nameOf(guest),
    approach.program.name,
    approach.name,
    hasEnded ? seconds : totalMs > 0 ? `not in ${seconds}` : '–',
    pauseMs === null ? '–' : formatFigure(pauseMs),
    formatFigure(sentMiB),
    ...(rest.slowdownPercent === null
      ? ['–', '–']
      : [formatFigure(rest.slowdownPercent), formatFigure(((rest.slowdownPercent / 100) * totalMs) / 1000)]),
    rest.waits ? `${formatFigure(rest.waits.blockedMs)} (${formatFigure(rest.waits.medianUs)})` : '–',
    rest.waits?.fetchedMedianUs ? formatFigure(rest.waits.fetchedMedianUs) : '–',
    [...rest.steps, ...(rest.complaint ? [`(${rest.complaint})`] : [])].join(', ') || '–',
  ];
}

/** The table; `quick`: the smallest guest alone. Throws if one of Drover's guests does not go on or has lost a page. */
export async function benchConvergence(quick: boolean, say: (line: string) => void): Promise<Section> {
  const programs = installedPrograms();
  const runs = RUNS.filter(
    ({ guest, approach }) =>
      programs.includes(approach.program) && (!quick || (guest.ramMiB === 256 && guest.writes === 2)),
  );
  const rows: string[][] = [];
  for (const run of runs) {
    const row = rowOf(run, await measure(run));
    say(`convergence: ${row.join(' | ')}`);
    rows.push(row);
  }
  const deadlines = [...new Set(runs.map(({ guest }) => guest))].map(
    (guest) => `${guest.ramMiB} MiB: ${deadlineSeconds(guest)} s`,
  );
  return {
    columns: [
      'Guest, what it writes',
      'VMM',
      'Means',
      'Total, s',
      'Pause, ms',
      'Sent, MiB',
      'Slowdown, %',
      'Lost by the guest, s',
      'Waits for pages, ms (median, µs)',
      'Fetched: median, µs',
      'Applied on the way',
    ],
    rows,
    notes: [
      `One run each, at ${BANDWIDTH_MIBPS} MiB/s; deadlines of what decides: ${[...new Set(deadlines)].join(', ')}.`,
      'In brackets, what became of the guest: QEMU without KVM loses writes of such guests (docs/architecture.md, Limits today).',
      ...withoutQemu(programs),
    ],
  };
}
