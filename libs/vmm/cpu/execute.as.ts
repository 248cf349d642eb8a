/**
 * The run loop: executes decoded instructions by one switch. What is rare or slow are calls into the other parts, so
 * that the loop itself stays small.
 */
import { H_ATTENTION, H_F, H_INSTRET, H_PC, H_TLB_READ, H_TLB_WRITE } from '../layout';
import { div, divu, mulh, mulhsu, mulhu, rem, remu } from './arithmetic.as';
import { executeAtomic } from './atomic.as';
import { fenceCode } from './code-pages.as';
import { expanded } from './decode.as';
import { CROSSING_SHIFT, decodeAt, decodeCrossing, enterPage, fetchAgain } from './decoded-pages.as';
import { executeExtension } from './extensions.as';
import { floatIsDirty, floatIsOn } from './fcsr.as';
import { BOX, executeFloat, executeFloatFused, loadFloat, storeFloat } from './float.as';
import { read, write } from './memory.as';
import { PAGE_MASK, tlbEntry } from './mmu.as';
import { Op, offsetOfRd, offsetOfRs2, immediate, immediateWord, lengthOf, rs1, rs2, setRd, setWord } from './operations.as';
import { dataContext } from './privilege.as';
import { diverted, hart, setDiverted } from './registers.as';
import { EXIT_ATTENTION, EXIT_BUDGET } from './slots';
import { NO_EXIT, executeSystem } from './system.as';
import { enter } from './translated.as';
import { ILLEGAL_INSTRUCTION, raise, takeInterrupt } from './trap.as';

/** Loads into rd. False if the run loop must look at the hart's state. */
@inline
function loads<T>(base: u32, low: u32, at: u32, context: u64, here: u64): bool {
  const va = rs1(base, low) + immediate(at);
  const entry = base + tlbEntry(va);
  // The last byte decides the page, so an access that crosses pages misses.
  if (load<u64>(entry, H_TLB_READ) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context)) {
    setRd(base, low, load<T>((va as u32) + load<u32>(entry, H_TLB_READ + 8)) as i64);
    return true;
  }
  return loadsSlowly(low, va, here);
}

function loadsSlowly(low: u32, va: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  const op: i32 = low & 0xff;
  const width: u32 = op < Op.LBU ? op - Op.LB : op - Op.LBU;
  let value = read(va, 1 << width);
  if (diverted) return false;
  if (op < Op.LD) value = signExtended(value, width);
  setRd(hart, low, value);
  return goesOn(low, here);
}

@inline
function signExtended(value: u64, width: u32): u64 {
  const unused: u64 = 64 - (8 << width);
  return ((value << unused) as i64) >> unused;
}

/** Stores rs2. False if the run loop must look at the hart's state. */
@inline
function stores<T>(base: u32, low: u32, at: u32, context: u64, here: u64): bool {
  const va = rs1(base, low) + immediate(at);
  const entry = base + tlbEntry(va);
  const value = rs2(base, low);
  if (load<u64>(entry, H_TLB_WRITE) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context)) {
    store<T>((va as u32) + load<u32>(entry, H_TLB_WRITE + 8), value as T);
    return true;
  }
  return storesSlowly(low, va, value, here);
}

function storesSlowly(low: u32, va: u64, value: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  write(va, 1 << ((low & 0xff) - Op.SB), value);
  return !diverted && goesOn(low, here);
}

/** FLW (T is u32) and FLD (u64), likewise. */
@inline
function loadsFloat<T>(base: u32, low: u32, at: u32, context: u64, here: u64): bool {
  const va = rs1(base, low) + immediate(at);
  const entry = base + tlbEntry(va);
  const hits = load<u64>(entry, H_TLB_READ) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context);
  if (!hits || !floatIsDirty()) return loadsFloatSlowly(low, va, here);
  const value: u64 = load<T>((va as u32) + load<u32>(entry, H_TLB_READ + 8));
  store<u64>(base + offsetOfRd(low), sizeof<T>() == 8 ? value : value | BOX, H_F);
  return true;
}

function loadsFloatSlowly(low: u32, va: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  if (!loadFloat(offsetOfRd(low) >> 3, va, (low & 0xff) == Op.FLW ? 4 : 8)) raise(ILLEGAL_INSTRUCTION, fetchAgain(here));
  return !diverted && goesOn(low, here);
}

/** FSW (T is u32) and FSD (u64). */
@inline
function storesFloat<T>(base: u32, low: u32, at: u32, context: u64, here: u64): bool {
  const va = rs1(base, low) + immediate(at);
  const entry = base + tlbEntry(va);
  const hits = load<u64>(entry, H_TLB_WRITE) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context);
  if (!hits || !floatIsOn()) return storesFloatSlowly(low, va, here);
  store<T>((va as u32) + load<u32>(entry, H_TLB_WRITE + 8), load<u64>(base + offsetOfRs2(low), H_F) as T);
  return true;
}

function storesFloatSlowly(low: u32, va: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  if (!storeFloat(offsetOfRs2(low) >> 3, va, (low & 0xff) == Op.FSW ? 4 : 8)) raise(ILLEGAL_INSTRUCTION, fetchAgain(here));
  return !diverted && goesOn(low, here);
}

function executesAtomic(low: u32, at: u32, here: u64): bool {
  store<u64>(hart, here, H_PC);
  executeAtomic(load<u32>(at, 4));
  return !diverted && goesOn(low, here);
}

function executesGeneric(low: u32, at: u32, here: u64): bool {
  store<u64>(hart, here, H_PC);
  const raw = load<u32>(at, 4);
  if (!executeExtension(expanded(raw))) raise(ILLEGAL_INSTRUCTION, raw);
  return !diverted && goesOn(low, here);
}

/** After an instruction that may have waited for a device: if attention was asked for meanwhile, the slice ends here. */
function goesOn(low: u32, here: u64): bool {
  if (!atomic.load<i32>(hart, H_ATTENTION)) return true;
  store<u64>(hart, here + lengthOf(low), H_PC);
  setDiverted(true);
  return false;
}

/** Adds to minstret. */
@inline
function retire(base: u32, count: i32): void {
  store<u64>(base, load<u64>(base, H_INSTRET) + (count as i64 as u64), H_INSTRET);
}

/** Guest address of the decoded instruction `at`. */
@inline
function pcOf(page: u64, decoded: u32, at: u32): u64 {
  return page + (((at - decoded) >> 2) as u64);
}

/** Executes up to `budget` instructions; an EXIT_ reason of slots.ts. */
export function run(budget: i32): i32 {
  const base = hart;
  if (atomic.load<i32>(base, H_ATTENTION)) return EXIT_ATTENTION;
  takeInterrupt();

  // pc, counts and contexts live in locals; whatever changes them in memory sets `diverted`.
  let left = budget;
  let counted = budget;
  let pc = load<u64>(base, H_PC);
  let context = dataContext;
  setDiverted(false);

  while (left > 0) {
    const leftAfter = enter(pc, left);
    if (leftAfter != left) {
      left = leftAfter;
      setDiverted(false);
      pc = load<u64>(base, H_PC);
      context = dataContext;
      if (atomic.load<i32>(base, H_ATTENTION)) break;
      continue;
    }
    const page = pc & PAGE_MASK;
    let decoded = enterPage(base, pc);
    if (!decoded) {
      left--;
      setDiverted(false);
      pc = load<u64>(base, H_PC);
      context = dataContext;
      continue;
    }
    let next = decoded + (((pc as u32) & 0xffe) << 2);

    // In the switch `continue` goes to the next decoded instruction; `break` leaves the page, with pc or H_PC set.
    while (true) {
      if (left <= 0) {
        pc = pcOf(page, decoded, next);
        break;
      }
      left--;
      const at = next;
      const low = load<u32>(at);
      next += low >> 24;
      switch (low & 0xff) {
        case Op.UNDECODED: left++; decodeAt(decoded, at); continue;

        case Op.LB: if (loads<i8>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LH: if (loads<i16>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LW: if (loads<i32>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LD: if (loads<i64>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LBU: if (loads<u8>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LHU: if (loads<u16>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.LWU: if (loads<u32>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.SB: if (stores<u8>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.SH: if (stores<u16>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.SW: if (stores<u32>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.SD: if (stores<u64>(base, low, at, context, pcOf(page, decoded, at))) continue; break;

        case Op.LI: setRd(base, low, immediate(at)); continue;
        case Op.MV: setRd(base, low, rs1(base, low)); continue;
        case Op.AUIPC: setRd(base, low, pcOf(page, decoded, at) + immediate(at)); continue;

        case Op.ADDI: setRd(base, low, rs1(base, low) + immediate(at)); continue;
        case Op.SLTI: setRd(base, low, ((rs1(base, low) as i64) < (immediate(at) as i64)) as u64); continue;
        case Op.SLTIU: setRd(base, low, (rs1(base, low) < immediate(at)) as u64); continue;
        case Op.XORI: setRd(base, low, rs1(base, low) ^ immediate(at)); continue;
        case Op.ORI: setRd(base, low, rs1(base, low) | immediate(at)); continue;
        case Op.ANDI: setRd(base, low, rs1(base, low) & immediate(at)); continue;
        case Op.SLLI: setRd(base, low, rs1(base, low) << immediate(at)); continue;
        case Op.SRLI: setRd(base, low, rs1(base, low) >> immediate(at)); continue;
        case Op.SRAI: setRd(base, low, (rs1(base, low) as i64) >> immediate(at)); continue;
        case Op.ADDIW: setWord(base, low, (rs1(base, low) as i32) + immediateWord(at)); continue;
        case Op.SLLIW: setWord(base, low, (rs1(base, low) as i32) << immediateWord(at)); continue;
        case Op.SRLIW: setWord(base, low, ((rs1(base, low) as u32) >> (immediateWord(at) as u32)) as i32); continue;
        case Op.SRAIW: setWord(base, low, (rs1(base, low) as i32) >> immediateWord(at)); continue;

        case Op.ADD: setRd(base, low, rs1(base, low) + rs2(base, low)); continue;
        case Op.SUB: setRd(base, low, rs1(base, low) - rs2(base, low)); continue;
        case Op.SLL: setRd(base, low, rs1(base, low) << rs2(base, low)); continue;
        case Op.SLT: setRd(base, low, ((rs1(base, low) as i64) < (rs2(base, low) as i64)) as u64); continue;
        case Op.SLTU: setRd(base, low, (rs1(base, low) < rs2(base, low)) as u64); continue;
        case Op.XOR: setRd(base, low, rs1(base, low) ^ rs2(base, low)); continue;
        case Op.SRL: setRd(base, low, rs1(base, low) >> rs2(base, low)); continue;
        case Op.SRA: setRd(base, low, (rs1(base, low) as i64) >> rs2(base, low)); continue;
        case Op.OR: setRd(base, low, rs1(base, low) | rs2(base, low)); continue;
        case Op.AND: setRd(base, low, rs1(base, low) & rs2(base, low)); continue;
        case Op.ADDW: setWord(base, low, (rs1(base, low) as i32) + (rs2(base, low) as i32)); continue;
        case Op.SUBW: setWord(base, low, (rs1(base, low) as i32) - (rs2(base, low) as i32)); continue;
        case Op.SLLW: setWord(base, low, (rs1(base, low) as i32) << (rs2(base, low) as i32)); continue;
        case Op.SRLW: setWord(base, low, ((rs1(base, low) as u32) >> (rs2(base, low) as u32)) as i32); continue;
        case Op.SRAW: setWord(base, low, (rs1(base, low) as i32) >> (rs2(base, low) as i32)); continue;

        case Op.MUL: setRd(base, low, rs1(base, low) * rs2(base, low)); continue;
        case Op.MULH: setRd(base, low, mulh(rs1(base, low), rs2(base, low))); continue;
        case Op.MULHSU: setRd(base, low, mulhsu(rs1(base, low), rs2(base, low))); continue;
        case Op.MULHU: setRd(base, low, mulhu(rs1(base, low), rs2(base, low))); continue;
        case Op.DIV: setRd(base, low, div<i64>(rs1(base, low), rs2(base, low))); continue;
        case Op.DIVU: setRd(base, low, divu<u64>(rs1(base, low), rs2(base, low))); continue;
        case Op.REM: setRd(base, low, rem<i64>(rs1(base, low), rs2(base, low))); continue;
        case Op.REMU: setRd(base, low, remu<u64>(rs1(base, low), rs2(base, low))); continue;
        case Op.MULW: setWord(base, low, (rs1(base, low) as i32) * (rs2(base, low) as i32)); continue;
        case Op.DIVW: setWord(base, low, div<i32>(rs1(base, low) as i32, rs2(base, low) as i32)); continue;
        case Op.DIVUW: setWord(base, low, divu<u32>(rs1(base, low) as u32, rs2(base, low) as u32) as i32); continue;
        case Op.REMW: setWord(base, low, rem<i32>(rs1(base, low) as i32, rs2(base, low) as i32)); continue;
        case Op.REMUW: setWord(base, low, remu<u32>(rs1(base, low) as u32, rs2(base, low) as u32) as i32); continue;

        case Op.BEQ: if (rs1(base, low) == rs2(base, low)) next = at + immediateWord(at); continue;
        case Op.BNE: if (rs1(base, low) != rs2(base, low)) next = at + immediateWord(at); continue;
        case Op.BLT: if ((rs1(base, low) as i64) < (rs2(base, low) as i64)) next = at + immediateWord(at); continue;
        case Op.BGE: if ((rs1(base, low) as i64) >= (rs2(base, low) as i64)) next = at + immediateWord(at); continue;
        case Op.BLTU: if (rs1(base, low) < rs2(base, low)) next = at + immediateWord(at); continue;
        case Op.BGEU: if (rs1(base, low) >= rs2(base, low)) next = at + immediateWord(at); continue;
        case Op.JAL: {
          setRd(base, low, pcOf(page, decoded, next));
          next = at + immediateWord(at);
          continue;
        }

        case Op.BEQ_FAR: {
          if (rs1(base, low) != rs2(base, low)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.BNE_FAR: {
          if (rs1(base, low) == rs2(base, low)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.BLT_FAR: {
          if ((rs1(base, low) as i64) >= (rs2(base, low) as i64)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.BGE_FAR: {
          if ((rs1(base, low) as i64) < (rs2(base, low) as i64)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.BLTU_FAR: {
          if (rs1(base, low) >= rs2(base, low)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.BGEU_FAR: {
          if (rs1(base, low) < rs2(base, low)) continue;
          pc = pcOf(page, decoded, at) + immediate(at);
          break;
        }
        case Op.JAL_FAR: {
          pc = pcOf(page, decoded, at) + immediate(at);
          setRd(base, low, pcOf(page, decoded, next));
          break;
        }
        case Op.JALR: {
          pc = (rs1(base, low) + immediate(at)) & ~1;
          setRd(base, low, pcOf(page, decoded, next));
          break;
        }
        case Op.PAGE_END: left++; pc = pcOf(page, decoded, at); break;
        case Op.CROSSING: {
          if (!decodeCrossing(decoded, pcOf(page, decoded, at))) break;
          left++;
          decoded += CROSSING_SHIFT;
          next += CROSSING_SHIFT;
          continue;
        }

        case Op.FLW: if (loadsFloat<u32>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.FLD: if (loadsFloat<u64>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.FSW: if (storesFloat<u32>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.FSD: if (storesFloat<u64>(base, low, at, context, pcOf(page, decoded, at))) continue; break;
        case Op.FLOAT: {
          if (executeFloat(load<u32>(at, 4)) || executesGeneric(low, at, pcOf(page, decoded, at))) continue;
          break;
        }
        case Op.FLOAT_FUSED: {
          if (executeFloatFused(load<u32>(at, 4)) || executesGeneric(low, at, pcOf(page, decoded, at))) continue;
          break;
        }

        case Op.FENCE: atomic.or<u32>(base, 0, H_ATTENTION); continue; // any atomic update orders all others
        case Op.FENCE_I: fenceCode(); continue;
        case Op.AMO: if (executesAtomic(low, at, pcOf(page, decoded, at))) continue; break;
        case Op.SYSTEM: {
          store<u64>(base, pcOf(page, decoded, at), H_PC);
          retire(base, counted - left - 1); // all before this one, so that it reads the right minstret
          counted = left + 1;
          const exit = executeSystem(load<u32>(at, 4));
          if (exit == NO_EXIT) break;
          retire(base, counted - left);
          return exit;
        }
        default: if (executesGeneric(low, at, pcOf(page, decoded, at))) continue; break;
      }
      break;
    }

    if (!diverted) continue;
    setDiverted(false);
    pc = load<u64>(base, H_PC);
    context = dataContext;
    if (atomic.load<i32>(base, H_ATTENTION)) break;
  }

  store<u64>(base, pc, H_PC);
  retire(base, counted - left);
  return EXIT_BUDGET;
}
