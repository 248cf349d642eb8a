/**
 * Which guest registers a region must load when it is entered and spill when it is left. Sets of registers are bit
 * masks; x0 is never in one.
 */
import type { FlowGraph } from './control-flow.js';
import { isFloat } from './float-instruction.js';
import { registersRead, registersWritten, type Instruction } from './instruction.js';
import type { Block, BlockEnd } from './region.js';

export interface RegisterUse {
  /** Registers whose values from before the region are needed. */
  readonly loaded: number;
  /** Of each block: registers that may have been written on the way from the entry to the block's end. */
  readonly written: readonly number[];
}

/** True for what may leave the region in the middle of a block: when memory or the host's arithmetic has no answer. */
export function mayLeave(instruction: Instruction): boolean {
  const { kind } = instruction;
  return kind === 'load' || kind === 'store' || kind === 'atomic' || isFloat(instruction);
}

export function analyseRegisters(blocks: readonly Block[], flow: FlowGraph): RegisterUse {
  const written = spreadWrites(blocks, flow);
  const live = blocks.map(() => 0);
  for (let changed = true; changed;) {
    changed = false;
    for (const node of flow.order.toReversed()) {
      const behind = flow.successors[node]!.reduce((mask, target) => mask | live[target]!, 0);
      const before = liveBefore(blocks[node]!, behind, written[node]!);
      if (before === live[node]) continue;
      live[node] = before;
      changed = true;
    }
  }
  return { loaded: live[0]!, written };
}

function spreadWrites(blocks: readonly Block[], { order, successors }: FlowGraph): number[] {
  const written = blocks.map(writtenIn);
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order) {
      for (const target of successors[node]!) {
        const mask = written[target]! | written[node]!;
        if (mask === written[target]) continue;
        written[target] = mask;
        changed = true;
      }
    }
  }
  return written;
}

/**
 * Registers whose values from before the block are needed. Wherever the block may leave the region, `spilled` are, and
 * so must have a value by then. (It is one set for a whole block, so that all its ways out can share their code.)
 */
function liveBefore({ body, end }: Block, behind: number, spilled: number): number {
  let live = ((behind | spilled) & ~writtenByEnd(end)) | readByEnd(end);
  for (const instruction of body.toReversed()) {
    live = (live & ~registersWritten(instruction)) | registersRead(instruction);
    if (mayLeave(instruction)) live |= spilled;
  }
  return live;
}

function writtenIn({ body, end }: Block): number {
  return body.reduce((mask, instruction) => mask | registersWritten(instruction), writtenByEnd(end));
}

function writtenByEnd(end: BlockEnd): number {
  const rd = end.kind === 'goto' ? end.link : end.kind === 'jumpRegister' ? end.rd : 0;
  return (1 << rd) & ~1;
}

function readByEnd(end: BlockEnd): number {
  if (end.kind === 'branch') return ((1 << end.rs1) | (1 << end.rs2)) & ~1;
  return end.kind === 'jumpRegister' ? (1 << end.rs1) & ~1 : 0;
}
