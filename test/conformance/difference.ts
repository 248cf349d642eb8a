/** Where two outcomes of one program part, in words. */
import { REGISTER_NAMES } from '../vmm/disassembler.js';
import { FLOAT_REGISTERS, REGISTERS, TRAP_S } from './frame.js';
import type { Outcome } from './program.js';

export interface Difference {
  /** What is another: how often or why it traps, what a record of the log says, memory, or that it ends at all. */
  readonly kind: 'traps' | 'record' | 'memory' | 'end';
  /** The block in which they part; undefined if only the memory at the end is another. */
  readonly block?: number;
  readonly text: string;
}

const TRAP_FIELDS = ['vector and kind', 'cause', 'tval', 'epc', 'status'];

/** Undefined if there is none. `ours` and `theirs` are what the text calls the two. */
export function differenceOf(a: Outcome, b: Outcome, ours = 'Drover', theirs = 'QEMU'): Difference | undefined {
  const sides = (mine: string, other: string) => `${ours} ${mine}, ${theirs} ${other}`;
  for (let block = 0; block < Math.max(a.blocks.length, b.blocks.length); block++) {
    const [mine, other] = [a.blocks[block] ?? [], b.blocks[block] ?? []];
    for (let n = 0; n < Math.max(mine.length, other.length); n++) {
      const [one, two] = [mine[n], other[n]];
      if (String(one) === String(two)) continue;
      if (!one || !two || one[0]!.slice(-2) !== two[0]!.slice(-2)) {
        return { kind: 'traps', block, text: `block ${block}: ${sides(what(one), what(two))}` };
      }
      return { kind: 'record', block, text: `block ${block}: ${fields(one, two, sides)}` };
    }
  }
  for (const [address, words] of Object.entries(a.memory)) {
    const at = words.findIndex((word, n) => word !== b.memory[address]![n]);
    if (at < 0) continue;
    const where = (BigInt(`0x${address}`) + BigInt(8 * at)).toString(16);
    return { kind: 'memory', text: `memory at 0x${where}: ${sides(words[at]!, b.memory[address]![at]!)}` };
  }
  return undefined;
}

type Words = readonly string[];

function what(words: Words | undefined): string {
  if (!words) return 'has no more';
  const number = Number(BigInt(`0x${words[0]}`) & 0xffn);
  if (number === REGISTERS) return 'comes to the end';
  if (number === FLOAT_REGISTERS) return 'comes to the floating-point registers';
  return `traps in ${number === TRAP_S ? 'S' : 'M'}-mode (cause ${words[1]}, tval ${words[2]}, epc ${words[3]})`;
}

/** Of two records of one kind: what is different in them. */
function fields(one: Words, two: Words, sides: (mine: string, other: string) => string): string {
  const record = Number(BigInt(`0x${one[0]}`) & 0xffn);
  const name = (n: number) => {
    if (record === REGISTERS) return REGISTER_NAMES[n];
    if (record === FLOAT_REGISTERS) return n === 33 ? 'fcsr' : `f${n - 1}`;
    return TRAP_FIELDS[n];
  };
  const parts = one.flatMap((word, n) => (word === two[n] ? [] : [`${name(n)}: ${sides(word, two[n]!)}`]));
  return (record < REGISTERS ? [`a trap at ${one[3]}`, ...parts] : parts).join('\n  ');
}
