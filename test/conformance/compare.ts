/** Runs a program on both sides; what is different is told as the shortest program that shows it. */
import { disassemble } from '../vmm/disassembler.js';
import { differenceOf, type Difference } from './difference.js';
import { runOnHart, runOnQemu, type Outcome, type Program } from './program.js';
import { shrink } from './shrink.js';

type Runner = (program: Program, timeoutMs?: number) => Outcome;

/** For a part of a program, which may never end. */
const SHORT_MS = 4000;

/** Throws an Error that tells the difference and the shortest program, as assembly, if both do not do the same. */
export function expectSame(program: Program, name: string, ours: Runner = runOnHart, theirs: Runner = runOnQemu): void {
  const compare = (candidate: Program, timeoutMs?: number) => compareOnce(candidate, ours, theirs, timeoutMs);
  const first = compare(program);
  if (!first) return;
  const upTo = first.block === undefined ? program : { ...program, blocks: program.blocks.slice(0, first.block + 1) };
  const shows = (candidate: Program) => compare(candidate, SHORT_MS)?.kind === first.kind;
  const shortest = shrink(shows(upTo) ? upTo : program, shows);
  throw new Error(`${name}: not the same.\n${describe(shortest, compare(shortest)!)}`);
}

/** A program that ends on one side alone is a difference, too; one that ends on neither is none. */
function compareOnce(program: Program, ours: Runner, theirs: Runner, timeoutMs?: number): Difference | undefined {
  const [a, b] = [attempt(() => ours(program)), attempt(() => theirs(program, timeoutMs))];
  if (!(a instanceof Error) && !(b instanceof Error)) return differenceOf(a, b);
  if (a instanceof Error && b instanceof Error) return undefined;
  return {
    kind: 'end',
    text: [a, b].map((side) => (side instanceof Error ? side.message : 'it ends')).join('; QEMU: '),
  };
}

function attempt(run: () => Outcome): Outcome | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}

function describe({ setUp = [], blocks, cpu }: Program, { text }: Difference): string {
  const lines = (steps: readonly (readonly number[])[]) =>
    steps.flat().map((instruction) => `    ${disassemble(instruction)}`);
  return [
    text,
    ...(cpu ? [`  # on QEMU with -cpu ...,${cpu}`] : []),
    ...(setUp.length > 0 ? ['  # set-up', ...lines(setUp)] : []),
    ...blocks.flatMap((steps, n) => [`  # block ${n}`, ...lines(steps)]),
  ].join('\n');
}
