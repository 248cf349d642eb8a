/**
 * Which code is translated together: the basic blocks of one page that can be reached from an entry without leaving the
 * page. That goes through calls within the page and back: a return leads to whatever is behind a call of the region, if
 * that is where it goes. Other jumps through registers, and calls of other pages, leave the region; the code behind such
 * a call is a region of its own.
 */
import { decode } from './decode.js';
import type { Condition, Instruction } from './instruction.js';

export const PAGE_BYTES = 4096;
const RETURN_ADDRESS = 1;
/** Places to which a return is compared before it leaves the region. */
const MOST_RETURNS = 4;

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
  const found = [...leaders]
    .filter((offset) => instructions.has(offset))
    .map((offset) => cut(offset, instructions, leaders));
  const behindCalls = placesBehindCalls(found.map(({ end }) => end)).slice(0, MOST_RETURNS);
  const targetsOf = ({ end }: Block) => (isReturn(end) ? behindCalls : targetsInside(end));
  const blocks = reachable(found, targetsOf);
  const indices = new Map(blocks.map(({ offset }, index) => [offset, index]));
  const successors = blocks.map((block) =>
    targetsOf(block).flatMap((target) => (indices.has(target) ? [indices.get(target)!] : [])),
  );
  return { blocks, successors };
}

/** Without places behind calls to which nothing in the region returns. */
function reachable(blocks: readonly Block[], targetsOf: (block: Block) => readonly number[]): Block[] {
  const byOffset = new Map(blocks.map((block) => [block.offset, block]));
  const reached = new Set(blocks.slice(0, 1));
  for (const block of reached) {
    // grows meanwhile
    for (const target of targetsOf(block)) if (byOffset.has(target)) reached.add(byOffset.get(target)!);
  }
  return blocks.filter((block) => reached.has(block));
}

/** Decodes what can be reached, nearest first, until it is too much; calls come last, and only while it is little. */
function explore(page: CodePage, entry: number, maxInstructions: number) {
  const instructions = new Map<number, Instruction>();
  const leaders = new Set<number>();
  const waiting = [entry];
  const calls: number[] = [];
  for (;;) {
    const isLittle = instructions.size < maxInstructions / 2;
    const leader = waiting.shift() ?? (isLittle ? calls.shift() : undefined);
    if (leader === undefined) return { instructions, leaders };
    if (leaders.has(leader)) continue;
    leaders.add(leader);
    let offset = leader;
    while (!instructions.has(offset) && instructions.size < maxInstructions) {
      const instruction = fetch(page, offset);
      if (!instruction) break;
      instructions.set(offset, instruction);
      const next = offset + instruction.length;
      if (endsBlock(instruction)) {
        const end = endOf(instruction);
        const isCall = end.kind === 'goto' && end.link !== 0;
        (isCall ? calls : waiting).push(...targetsInside(end), ...placesBehindCalls([end]));
        break;
      }
      offset = next;
    }
  }
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

const isInside = (offset: number) => offset >= 0 && offset < PAGE_BYTES;

/** Where a block's end may lead without leaving region or page, but for returns. */
function targetsInside(end: BlockEnd): number[] {
  const targets = end.kind === 'branch' ? [end.taken, end.otherwise] : end.kind === 'goto' ? [end.target] : [];
  return targets.filter(isInside);
}

/** Places behind calls of functions within the page, where those will return to. */
const placesBehindCalls = (ends: readonly BlockEnd[]): number[] =>
  ends
    .flatMap((end) => (end.kind === 'goto' && end.link === RETURN_ADDRESS && isInside(end.target) ? [end.next] : []))
    .filter(isInside);

/** As the calling convention has it (Unprivileged spec, table of return-address stack hints); others leave the region. */
export const isReturn = (end: BlockEnd): boolean =>
  end.kind === 'jumpRegister' && end.rd === 0 && end.rs1 === RETURN_ADDRESS && end.immediate === 0;

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
