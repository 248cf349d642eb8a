/** The code of a region: its blocks, placed in the loops and blocks that structure.ts gives them. */
import type { AddressType } from '../wasm-memory.js';
import { atomic, load, store, zeroBlock } from './access.js';
import { compare, compute } from './compute.js';
import { analyse } from './control-flow.js';
import { FloatCode } from './float.js';
import { isFloat } from './float-instruction.js';
import { EXIT_CHAIN, EXIT_INTERPRET, Frame } from './frame.js';
import type { Instruction } from './instruction.js';
import { isReturn, type Region } from './region.js';
import { analyseRegisters } from './registers.js';
import { structure, type Edge, type Shape } from './structure.js';
import type { Code, Label } from './wasm/code.js';

/** What code is made for: the VM's memory, and whether it may rely on the host's fused operations (fusing.ts). */
export interface TranslationTarget {
  readonly addresses: AddressType;
  readonly fuses: boolean;
}

/** The translated function of a region; frame.ts tells its signature. */
export function emitRegion(region: Region, { addresses, fuses }: TranslationTarget): Code {
  const flow = analyse(region.successors);
  const frame = new Frame(analyseRegisters(region.blocks, flow), addresses);
  return frame.write(() => new Emitter(region, frame, fuses).shape(structure(flow)));
}

class Emitter {
  private readonly nodes: ReadonlyMap<number, number>;
  /** Of each header: its loop. */
  private readonly loops = new Map<number, Label>();
  /** Of each node that follows a block: that block. */
  private readonly blocks = new Map<number, Label>();

  /** If there are instructions of F and D. */
  private readonly float: FloatCode | undefined;

  /** Begins to write code; `shape` writes the rest. */
  constructor(
    private readonly region: Region,
    private readonly frame: Frame,
    fuses: boolean,
  ) {
    if (region.blocks.some(({ body }) => body.some(isFloat))) this.float = new FloatCode(frame, fuses);
    this.nodes = new Map(region.blocks.map(({ offset }, node) => [offset, node]));
  }

  /** Writes code that never gets to its end. */
  shape(shape: Shape): void {
    const { code } = this.frame;
    switch (shape.kind) {
      case 'loop': {
        const label = code.loop();
        this.loops.set(shape.header, label);
        this.shape(shape.body);
        code.end(label);
        break;
      }
      case 'block': {
        const label = code.block();
        this.blocks.set(shape.follow, label);
        this.shape(shape.body);
        code.end(label);
        this.shape(shape.behind);
        break;
      }
      case 'node':
        this.node(shape.node, shape.edges);
        break;
    }
  }

  private node(node: number, edges: ReadonlyMap<number, Edge>): void {
    const { frame } = this;
    const { code } = frame;
    const { body, end, count } = this.region.blocks[node]!;
    this.float?.beginBlock();
    if (count > 0) code.get(frame.left).i32(count).op('i32.sub').set(frame.left);
    body.forEach((instruction, index) => this.instruction(instruction, node, count - index));
    switch (end.kind) {
      case 'branch': {
        compare(frame, end.condition, end.rs1, end.rs2);
        const taken = code.if();
        this.go(node, end.taken, edges);
        code.end(taken);
        this.go(node, end.otherwise, edges);
        break;
      }
      case 'goto':
        if (end.link) {
          frame.pushGuestAddress(end.next);
          frame.set(end.link);
        }
        this.go(node, end.target, edges);
        break;
      case 'jumpRegister':
        frame.get(end.rs1);
        code.i64(end.immediate).op('i64.add').i64(-2).op('i64.and');
        if (end.rd) {
          const target = frame.scratch('target', 'i64');
          code.set(target);
          frame.pushGuestAddress(end.next);
          frame.set(end.rd);
          code.get(target);
        } else if (isReturn(end)) {
          this.goBack(node, edges);
        }
        frame.leave(node, EXIT_CHAIN);
        break;
      case 'interpret':
        frame.pushGuestAddress(end.offset);
        frame.leave(node, EXIT_INTERPRET);
        break;
    }
  }

  /** Goes where the address on the stack is, if that is behind a call of the region; else keeps it there. */
  private goBack(from: number, edges: ReadonlyMap<number, Edge>): void {
    const { frame } = this;
    const { code } = frame;
    const target = frame.scratch('target', 'i64');
    code.set(target);
    for (const node of edges.keys()) {
      const { offset } = this.region.blocks[node]!;
      frame.pushGuestAddress(offset);
      const isThere = code.get(target).op('i64.eq').if();
      this.go(from, offset, edges);
      code.end(isThere);
    }
    code.get(target);
  }

  /** Goes to what lies `offset` bytes behind the beginning of the page, inside of the region or out of it. */
  private go(from: number, offset: number, edges: ReadonlyMap<number, Edge>): void {
    const { frame } = this;
    const { code } = frame;
    const target = this.nodes.get(offset);
    const edge = target === undefined ? undefined : edges.get(target);
    if (target === undefined || edge === undefined) {
      frame.pushGuestAddress(offset);
      frame.leave(from, EXIT_CHAIN);
    } else if (edge.kind === 'inline') {
      this.shape(edge.shape);
    } else if (edge.kind === 'leave') {
      code.br(this.blocks.get(target)!);
    } else {
      code.get(frame.left).i32(0).op('i32.gt_s').brIf(this.loops.get(target)!);
      frame.leaveAt({ block: from, offset, undone: 0 }, EXIT_CHAIN);
    }
  }

  private instruction(instruction: Instruction, block: number, undone: number): void {
    const { frame } = this;
    const place = { block, offset: instruction.offset, undone };
    switch (instruction.kind) {
      case 'compute':
        if (instruction.rd === 0) return;
        compute(frame, instruction.operation, { register: instruction.rs1 }, { register: instruction.rs2 });
        return frame.set(instruction.rd);
      case 'computeImmediate':
        if (instruction.rd === 0) return;
        compute(frame, instruction.operation, { register: instruction.rs1 }, { constant: instruction.immediate });
        return frame.set(instruction.rd);
      case 'constant':
        frame.code.i64(instruction.immediate);
        return frame.set(instruction.rd);
      case 'address':
        frame.pushGuestAddress(instruction.offset + instruction.immediate);
        return frame.set(instruction.rd);
      case 'load':
        return load(frame, instruction, place);
      case 'store':
        return store(frame, instruction, place);
      case 'atomic':
        return atomic(frame, instruction, place);
      case 'zeroBlock':
        return zeroBlock(frame, instruction, place);
      case 'fence':
        frame.code.fence();
        return;
      default:
        if (this.float && isFloat(instruction)) return this.float.instruction(instruction, place);
        throw new Error(`${instruction.kind} inside of a block`);
    }
  }
}
