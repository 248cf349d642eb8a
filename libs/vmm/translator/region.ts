/**
 * Which code is translated together: the basic blocks of one page that can be reached from an entry without leaving the
 * page. Calls (jumps that link) and jumps through registers leave the region; the code behind a call, where the callee
 * will return to, is a region of its own.
 */
import { decode } from './decode.js';
import type { Condition, Instruction } from './instruction.js';

export const PAGE_BYTES = 4096;

/** Content of a page of guest code, and what each 16-bit instruction stands for. */
export interface CodePage {
  readonly bytes: DataView;
  readonly expansions: Uint32Array;
}

/** How a block is left. Targets are offsets from the beginning of the page and may lie outside of it. */
export type BlockEnd =
  /** To one place, by falling through or JAL; `link` is the register that gets the address of `next`. */
  | Readonly<{ kind: 'goto'; target: number; link: number; next: number }>
  | Readonly<{ kind: 'branch'; condition: Condition; rs1: number; rs2: number; taken: number; otherwise: number }>
  | Readonly<{ kind: 'jumpRegister'; rd: number; rs1: number; immediate: number; next: number }>
  /** The interpreter executes what is at `offset`. */
  | Readonly<{ kind: 'interpret'; offset: number }>;

export interface Block {
  readonly offset: number;
  /** Instructions before the one that ends it. */
  readonly body: readonly Instruction[];
  readonly end: BlockEnd;
  /** Instructions that have been executed when it is left by its end. */
  readonly count: number;
}

export interface Region {
  /** The first is the entry. */
  readonly blocks: readonly Block[];
  /** Of each block: the indices of the blocks that may follow it inside of the region. */
  readonly successors: readonly (readonly number[])[];
}

/** The region entered at `entry` (offset in the page); undefined if its very first instruction is not translated. */
export function formRegion(page: CodePage, entry: number, maxInstructions: number): Region | undefined {
  const { instructions, leaders } = explore(page, entry, maxInstructions);
  if (!instructions.has(entry) || instructions.get(entry)!.kind === 'interpret') return undefined;
  const blocks = [...leaders]
    .filter((offset) => instructions.has(offset))
    .map((offset) => cut(offset, instructions, leaders));
  const indices = new Map(blocks.map(({ offset }, index) => [offset, index]));
  const successors = blocks.map(({ end }) =>
    targetsInside(end).flatMap((target) => (indices.has(target) ? [indices.get(target)!] : [])),
  );
  return { blocks, successors };
}

/** Decodes what can be reached, nearest first, until it is too much. Leaders begin with the entry. */
function explore(page: CodePage, entry: number, maxInstructions: number) {
  const instructions = new Map<number, Instruction>();
  const leaders = new Set([entry]);
  for (const leader of leaders) {
    // grows meanwhile
    let offset = leader;
    while (!instructions.has(offset) && instructions.size < maxInstructions) {
      const instruction = fetch(page, offset);
      if (!instruction) break;
      instructions.set(offset, instruction);
      const next = offset + instruction.length;
      if (endsBlock(instruction)) {
        for (const target of targetsInside(endOf(instruction))) leaders.add(target);
        break;
      }
      offset = next;
    }
  }
  return { instructions, leaders };
}

/** Undefined outside of the page. An instruction that only begins in it is left to the interpreter. */
function fetch({ bytes, expansions }: CodePage, offset: number): Instruction | undefined {
  if (offset > PAGE_BYTES - 2) return undefined;
  const half = bytes.getUint16(offset, true);
  if ((half & 3) !== 3) return { ...decode(expansions[half]!), offset, length: 2 };
  if (offset > PAGE_BYTES - 4) return { kind: 'interpret', offset, length: 4 };
  return { ...decode(bytes.getUint32(offset, true)), offset, length: 4 };
}

function endsBlock({ kind }: Instruction): boolean {
  return kind === 'branch' || kind === 'jump' || kind === 'jumpRegister' || kind === 'interpret';
}

function endOf(last: Instruction): BlockEnd {
  const { offset } = last;
  const next = offset + last.length;
  switch (last.kind) {
    case 'branch': {
      const { condition, rs1, rs2, immediate } = last;
      return { kind: 'branch', condition, rs1, rs2, taken: offset + immediate, otherwise: next };
    }
    case 'jump':
      return { kind: 'goto', target: offset + last.immediate, link: last.rd, next };
    case 'jumpRegister':
      return { kind: 'jumpRegister', rd: last.rd, rs1: last.rs1, immediate: last.immediate, next };
    case 'interpret':
      return { kind: 'interpret', offset };
    default:
      return { kind: 'goto', target: next, link: 0, next };
  }
}

/** Where a block's end may lead without leaving region or page. */
function targetsInside(end: BlockEnd): number[] {
  const targets =
    end.kind === 'branch' ? [end.taken, end.otherwise] : end.kind === 'goto' && !end.link ? [end.target] : [];
  return targets.filter((target) => target >= 0 && target < PAGE_BYTES);
}

/** The block that begins at a leader: up to an instruction that ends it, the next leader or the end of what is known. */
function cut(offset: number, instructions: ReadonlyMap<number, Instruction>, leaders: ReadonlySet<number>): Block {
  const body: Instruction[] = [];
  let instruction = instructions.get(offset)!;
  for (;;) {
    if (endsBlock(instruction)) {
      const end = endOf(instruction);
      return { offset, body, end, count: body.length + (end.kind === 'interpret' ? 0 : 1) };
    }
    body.push(instruction);
    const next = instruction.offset + instruction.length;
    const following = instructions.get(next);
    if (!following || leaders.has(next)) return { offset, body, end: endOf(instruction), count: body.length };
    instruction = following;
  }
}
