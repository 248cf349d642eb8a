/** `run`: a slice of guest code. The inner loop (interpret) executes what it can; here is what comes in between. */
import { H_ATTENTION, H_INSTRET, H_MISSING } from '../layout';
import { executeAtomic } from './atomic.as';
import { fenceCode, finishWrite } from './code-pages.as';
import { expanded, immI } from './decode.as';
import {
  decodeCrossing, decodeLine, enterPage, fetchAgain, instructionAt, isGuarded, leaveGuarded,
} from './decoded-pages.as';
import { executeExtension } from './extensions.as';
import { executeFloat, executeFloatFused, loadFloat, storeFloat } from './float.as';
import { interpret } from './interpret.as';
import { read, write } from './memory.as';
import { PAGE, PAGE_MASK } from './mmu.as';
import { DECODED, Op, immediate, offsetOfRs2, opOf, placeAfter, placeOf, rdOf, rs1, rs2 } from './operations.as';
import { diverted, hart, pc, setDiverted, setPc, setX, x } from './registers.as';
import { EXIT_ATTENTION, EXIT_BUDGET, EXIT_PAGE } from './slots';
import { NO_EXIT, executeSystem } from './system.as';
import { enter, isFound, isStopped } from './translated.as';
import { ILLEGAL_INSTRUCTION, raise, takeInterrupt } from './trap.as';

// Major opcodes: bits 2 to 6.
const LOAD: u32 = 0x00;
const MISC_MEM: u32 = 0x03;
const AMO: u32 = 0x0b;
const MADD: u32 = 0x10;
const MSUB: u32 = 0x11;
const NMSUB: u32 = 0x12;
const NMADD: u32 = 0x13;
const OP_FP: u32 = 0x14;
const SYSTEM: u32 = 0x1c;

/** The inner loop counts in bytes of decoded instructions. */
const MAX_BUDGET: i32 = i32.MAX_VALUE / DECODED;

/** After so many instructions it is seen whether attention is asked for. */
const UNASKED: i32 = 0x8000;

/** Executes up to `budget` instructions; an EXIT_ reason of slots.ts. */
export function run(budget: i32): i32 {
  if (atomic.load<i32>(hart, H_ATTENTION)) return EXIT_ATTENTION;
  takeInterrupt();
  let left = min(budget, MAX_BUDGET);
  let mayAsk = false;
  while (true) {
    const part = min(left, UNASKED);
    let partLeft = enter(part, mayAsk);
    retire(part - partLeft);
    if (partLeft > 0 && !isStopped) {
      const most = isGuarded ? 1 : partLeft;
      const executed = most - interpret(most);
      retire(executed);
      partLeft -= executed;
      if (isGuarded) leaveGuarded();
    }
    left -= part - partLeft;
    if (left <= 0) return EXIT_BUDGET;
    if (partLeft <= 0) {
      if (atomic.load<i32>(hart, H_ATTENTION)) return EXIT_ATTENTION;
      mayAsk = false; // it may have ended anywhere
      continue;
    }
    mayAsk = isFound || isStopped; // not behind what only the inner loop does not know
    if (isFound) continue;

    setDiverted(false);
    const at = prepare(pc());
    const exit = at ? execute(at) : NO_EXIT;
    finishWrite();
    if (!at && !diverted) continue; // it was only decoded
    mayAsk = mayAsk || goesBack(at);
    left--;
    retire(1); // not before, so that a read of minstret does not count itself
    if (exit != NO_EXIT) return exit;
    if (load<u32>(hart, H_MISSING)) return EXIT_PAGE;
    // The instruction may have waited for a device, and attention may have been asked for meanwhile.
    if (atomic.load<i32>(hart, H_ATTENTION)) return EXIT_BUDGET;
  }
}

/** The decoded page in which `prepare` has found the last instruction. */
let prepared: u32 = 0;

/**
 * True if what comes next was decoded before what has been executed, as when a loop was entered in its middle: the inner
 * loop, which begins anew there, cannot see that this is where it goes back.
 */
@inline
function goesBack(at: u32): bool {
  const next = instructionAt(prepared, (pc() as u32) & 0xffe);
  return next != 0 && next < at;
}

/** Adds to minstret. */
@inline
function retire(count: i32): void {
  store<u64>(hart, load<u64>(hart, H_INSTRET) + (count as i64 as u64), H_INSTRET);
}

/**
 * Makes sure that the inner loop finds the instruction at `at` decoded, and its page in the execute TLB. If the inner
 * loop may not be able to execute it even so, the decoded instruction is returned, otherwise 0. If there is no code,
 * raises the fault.
 */
function prepare(at: u64): u32 {
  const page = enterPage(at);
  if (!page) return 0;
  prepared = page;
  const place = (at as u32) & 0xffe;
  let decoded = instructionAt(page, place);
  if (!decoded) {
    decodeLine(page, place);
    return 0;
  }
  if (opOf(decoded) == Op.CROSSING) {
    const next = enterPage((at & PAGE_MASK) + PAGE);
    // Meanwhile the next page may have taken the place of this one, or this one may have been written to.
    if (!next || enterPage(at) != page || instructionAt(page, place) != decoded) return 0;
    decodeCrossing(page, decoded, next);
    decoded += DECODED;
  }
  const op = opOf(decoded);
  return op <= Op.SD || (op >= Op.FLW && op <= Op.OTHER) ? decoded : 0;
}

/** Executes a load, a store, or an instruction that the inner loop does not know. NO_EXIT if `run` goes on. */
function execute(at: u32): i32 {
  const op = opOf(at);
  if (op == Op.OTHER) return executeOther(load<u32>(at, 4));
  const here = pc();
  const address = rs1(hart, at) + immediate(at);
  let isLegal = true;
  switch (op) {
    case Op.SB: case Op.SH: case Op.SW: case Op.SD: write(address, 1 << (op - Op.SB), rs2(hart, at)); break;
    case Op.FLW: case Op.FLD: isLegal = loadFloat(rdOf(at), address, op == Op.FLW ? 4 : 8); break;
    case Op.FSW: case Op.FSD: isLegal = storeFloat(offsetOfRs2(at) >> 3, address, op == Op.FSW ? 4 : 8); break;
    default: executeLoad(op - Op.LB, rdOf(at), address);
  }
  if (!isLegal) raise(ILLEGAL_INSTRUCTION, fetchAgain(here));
  if (!diverted) setPc(here + placeAfter(at) - placeOf(at));
  return NO_EXIT;
}

/** `raw` is the instruction in memory. */
function executeOther(raw: u32): i32 {
  const insn = expanded(raw);
  switch ((insn >> 2) & 0x1f) {
    case SYSTEM: return executeSystem(insn);
    case AMO: executeAtomic(insn); break;
    case OP_FP: if (!executeFloat(insn)) raise(ILLEGAL_INSTRUCTION, raw); break;
    case MADD: case MSUB: case NMSUB: case NMADD: if (!executeFloatFused(insn)) raise(ILLEGAL_INSTRUCTION, raw); break;
    default: if (!executeRare(insn) && !executeExtension(insn)) raise(ILLEGAL_INSTRUCTION, raw);
  }
  if (!diverted) setPc(pc() + ((raw & 3) == 3 ? 4 : 2));
  return NO_EXIT;
}

/** FENCE.I, or a load into x0; false if it is neither. */
function executeRare(insn: u32): bool {
  const funct3 = (insn >> 12) & 7;
  const major = (insn >> 2) & 0x1f;
  if (major == MISC_MEM && funct3 == 1) fenceCode();
  else if (major == LOAD && funct3 < 7) executeLoad(funct3, 0, x((insn >> 15) & 31) + immI(insn));
  else return false;
  return true;
}

function executeLoad(funct3: u32, rd: u32, address: u64): void {
  const width = funct3 & 3;
  const value = read(address, 1 << width);
  if (diverted) return;
  const unused: u64 = 64 - (8 << width);
  setX(rd, funct3 < 4 ? ((value << unused) as i64) >> unused : value);
}
