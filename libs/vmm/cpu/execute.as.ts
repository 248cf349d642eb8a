/** The run loop: fetch, expand, decode by one switch, execute. What is rare or slow are calls into the other parts. */
import { EXPANSIONS, H_ATTENTION, H_INSTRET, H_PC, H_TLB_READ, H_TLB_WRITE, H_X } from '../layout';
import { div, divu, mulh, mulhsu, mulhu, rem, remu } from './arithmetic.as';
import { executeAtomic } from './atomic.as';
import { Key, immB, immI, immJ, immS, immU, rs1, rs2, setRd, setWord } from './decode.as';
import { executeExtension } from './extensions.as';
import { fetch, fetchedPage, read, write } from './memory.as';
import { PAGE, PAGE_MASK, tlbEntry } from './mmu.as';
import { dataContext } from './privilege.as';
import { diverted, hart, setDiverted } from './registers.as';
import { EXIT_ATTENTION, EXIT_BUDGET } from './slots';
import { NO_EXIT, executeSystem } from './system.as';
import { ILLEGAL_INSTRUCTION, raise, takeInterrupt } from './trap.as';

// funct7 of register-register operations, and of shifts by an immediate.
const BASE: u32 = 0;
const ALTERNATIVE: u32 = 0x20;
const MULTIPLY: u32 = 1;

/** Loads into rd. False if it trapped. The last byte decides the page, so an access that crosses pages misses. */
@inline
function loads<T>(base: u32, insn: u32, context: u64, here: u64): bool {
  const va = rs1(base, insn) + immI(insn);
  const entry = base + tlbEntry(va);
  if (load<u64>(entry, H_TLB_READ) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context)) {
    setRd(base, insn, load<T>((va as u32) + load<u32>(entry, H_TLB_READ + 8)) as i64);
    return true;
  }
  return loadsSlowly<T>(insn, va, here);
}

function loadsSlowly<T>(insn: u32, va: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  const value = read(va, sizeof<T>() as u32);
  if (diverted) return false;
  setRd(hart, insn, (value as T) as i64);
  return true;
}

/** Stores rs2. False if it trapped. */
@inline
function stores<T>(base: u32, insn: u32, context: u64, here: u64): bool {
  const va = rs1(base, insn) + immS(insn);
  const entry = base + tlbEntry(va);
  const value = rs2(base, insn);
  if (load<u64>(entry, H_TLB_WRITE) == (((va + (sizeof<T>() - 1)) & PAGE_MASK) | context)) {
    store<T>((va as u32) + load<u32>(entry, H_TLB_WRITE + 8), value as T);
    return true;
  }
  return storesSlowly(va, sizeof<T>() as u32, value, here);
}

function storesSlowly(va: u64, size: u32, value: u64, here: u64): bool {
  store<u64>(hart, here, H_PC);
  write(va, size, value);
  return !diverted;
}

/** Adds to minstret. */
@inline
function retire(base: u32, count: i32): void {
  store<u64>(base, load<u64>(base, H_INSTRET) + (count as i64 as u64), H_INSTRET);
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
  let page = pc + PAGE; // the guest page that code comes from: none yet
  let pageHost: u32 = 0;
  setDiverted(false);

  while (left > 0) {
    left--;
    store<u64>(base, 0, H_X); // x0
    const here = pc;
    const offset = here - page;
    let raw: u32;
    if (offset <= PAGE - 4) {
      raw = load<u32>(pageHost + (offset as u32));
    } else {
      store<u64>(base, here, H_PC);
      raw = fetch(here);
      page = here & PAGE_MASK;
      pageHost = fetchedPage;
    }
    let insn = raw;
    if ((raw & 3) == 3) {
      pc = here + 4;
    } else {
      raw &= 0xffff;
      insn = load<u32>(EXPANSIONS + (raw << 2));
      pc = here + 2;
    }

    // Each instruction ends in `continue`; `break` is for those that trapped, are illegal or changed the hart's state.
    switch (((insn >> 2) & 0x1f) | ((insn >> 7) & 0xe0)) {
      case Key.LB: if (loads<i8>(base, insn, context, here)) continue; break;
      case Key.LH: if (loads<i16>(base, insn, context, here)) continue; break;
      case Key.LW: if (loads<i32>(base, insn, context, here)) continue; break;
      case Key.LD: if (loads<i64>(base, insn, context, here)) continue; break;
      case Key.LBU: if (loads<u8>(base, insn, context, here)) continue; break;
      case Key.LHU: if (loads<u16>(base, insn, context, here)) continue; break;
      case Key.LWU: if (loads<u32>(base, insn, context, here)) continue; break;
      case Key.SB: if (stores<u8>(base, insn, context, here)) continue; break;
      case Key.SH: if (stores<u16>(base, insn, context, here)) continue; break;
      case Key.SW: if (stores<u32>(base, insn, context, here)) continue; break;
      case Key.SD: if (stores<u64>(base, insn, context, here)) continue; break;

      case Key.ADDI: setRd(base, insn, rs1(base, insn) + immI(insn)); continue;
      case Key.SLTI: setRd(base, insn, ((rs1(base, insn) as i64) < (immI(insn) as i64)) as u64); continue;
      case Key.SLTIU: setRd(base, insn, (rs1(base, insn) < immI(insn)) as u64); continue;
      case Key.XORI: setRd(base, insn, rs1(base, insn) ^ immI(insn)); continue;
      case Key.ORI: setRd(base, insn, rs1(base, insn) | immI(insn)); continue;
      case Key.ANDI: setRd(base, insn, rs1(base, insn) & immI(insn)); continue;
      case Key.SLLI: {
        if (insn >> 26) break;
        setRd(base, insn, rs1(base, insn) << ((insn >> 20) as u64));
        continue;
      }
      case Key.SRXI: {
        const shift = (insn >> 20) as u64;
        if (insn >> 26 == 0) setRd(base, insn, rs1(base, insn) >> shift);
        else if (insn >> 26 == 0x10) setRd(base, insn, (rs1(base, insn) as i64) >> shift);
        else break;
        continue;
      }
      case Key.ADDIW: setWord(base, insn, (rs1(base, insn) as i32) + (immI(insn) as i32)); continue;
      case Key.SLLIW: {
        if (insn >> 25) break;
        setWord(base, insn, (rs1(base, insn) as i32) << ((insn >> 20) as i32));
        continue;
      }
      case Key.SRXIW: {
        const shift = insn >> 20;
        if (insn >> 25 == BASE) setWord(base, insn, ((rs1(base, insn) as u32) >> shift) as i32);
        else if (insn >> 25 == ALTERNATIVE) setWord(base, insn, (rs1(base, insn) as i32) >> (shift as i32));
        else break;
        continue;
      }

      case Key.ADD: {
        const a = rs1(base, insn);
        const b = rs2(base, insn);
        if (insn >> 25 == BASE) setRd(base, insn, a + b);
        else if (insn >> 25 == ALTERNATIVE) setRd(base, insn, a - b);
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, a * b);
        else break;
        continue;
      }
      case Key.SLL: {
        if (insn >> 25 == BASE) setRd(base, insn, rs1(base, insn) << rs2(base, insn));
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, mulh(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.SLT: {
        if (insn >> 25 == BASE) setRd(base, insn, ((rs1(base, insn) as i64) < (rs2(base, insn) as i64)) as u64);
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, mulhsu(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.SLTU: {
        if (insn >> 25 == BASE) setRd(base, insn, (rs1(base, insn) < rs2(base, insn)) as u64);
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, mulhu(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.XOR: {
        if (insn >> 25 == BASE) setRd(base, insn, rs1(base, insn) ^ rs2(base, insn));
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, div<i64>(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.SRX: {
        const a = rs1(base, insn);
        const b = rs2(base, insn);
        if (insn >> 25 == BASE) setRd(base, insn, a >> b);
        else if (insn >> 25 == ALTERNATIVE) setRd(base, insn, (a as i64) >> (b as i64));
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, divu<u64>(a, b));
        else break;
        continue;
      }
      case Key.OR: {
        if (insn >> 25 == BASE) setRd(base, insn, rs1(base, insn) | rs2(base, insn));
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, rem<i64>(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.AND: {
        if (insn >> 25 == BASE) setRd(base, insn, rs1(base, insn) & rs2(base, insn));
        else if (insn >> 25 == MULTIPLY) setRd(base, insn, remu<u64>(rs1(base, insn), rs2(base, insn)));
        else break;
        continue;
      }
      case Key.ADDW: {
        const a = rs1(base, insn) as i32;
        const b = rs2(base, insn) as i32;
        if (insn >> 25 == BASE) setWord(base, insn, a + b);
        else if (insn >> 25 == ALTERNATIVE) setWord(base, insn, a - b);
        else if (insn >> 25 == MULTIPLY) setWord(base, insn, a * b);
        else break;
        continue;
      }
      case Key.SLLW: {
        if (insn >> 25) break;
        setWord(base, insn, (rs1(base, insn) as i32) << (rs2(base, insn) as i32));
        continue;
      }
      case Key.SRXW: {
        const a = rs1(base, insn) as i32;
        const b = rs2(base, insn) as i32;
        if (insn >> 25 == BASE) setWord(base, insn, ((a as u32) >> (b as u32)) as i32);
        else if (insn >> 25 == ALTERNATIVE) setWord(base, insn, a >> b);
        else if (insn >> 25 == MULTIPLY) setWord(base, insn, divu<u32>(a, b) as i32);
        else break;
        continue;
      }
      case Key.DIVW: {
        if (insn >> 25 != MULTIPLY) break;
        setWord(base, insn, div<i32>(rs1(base, insn) as i32, rs2(base, insn) as i32));
        continue;
      }
      case Key.REMW: {
        if (insn >> 25 != MULTIPLY) break;
        setWord(base, insn, rem<i32>(rs1(base, insn) as i32, rs2(base, insn) as i32));
        continue;
      }
      case Key.REMUW: {
        if (insn >> 25 != MULTIPLY) break;
        setWord(base, insn, remu<u32>(rs1(base, insn) as u32, rs2(base, insn) as u32) as i32);
        continue;
      }

      case Key.BEQ: if (rs1(base, insn) == rs2(base, insn)) pc = here + immB(insn); continue;
      case Key.BNE: if (rs1(base, insn) != rs2(base, insn)) pc = here + immB(insn); continue;
      case Key.BLT: if ((rs1(base, insn) as i64) < (rs2(base, insn) as i64)) pc = here + immB(insn); continue;
      case Key.BGE: if ((rs1(base, insn) as i64) >= (rs2(base, insn) as i64)) pc = here + immB(insn); continue;
      case Key.BLTU: if (rs1(base, insn) < rs2(base, insn)) pc = here + immB(insn); continue;
      case Key.BGEU: if (rs1(base, insn) >= rs2(base, insn)) pc = here + immB(insn); continue;
      case Key.JALR: {
        const target = (rs1(base, insn) + immI(insn)) & ~1;
        setRd(base, insn, pc);
        pc = target;
        continue;
      }

      case Key.FENCE: atomic.or<u32>(base, 0, H_ATTENTION); continue; // any atomic update orders all others
      case Key.FENCE_I: continue; // each fetch reads memory

      case Key.LUI: case Key.LUI | Key.F1: case Key.LUI | Key.F2: case Key.LUI | Key.F3:
      case Key.LUI | Key.F4: case Key.LUI | Key.F5: case Key.LUI | Key.F6: case Key.LUI | Key.F7:
        setRd(base, insn, immU(insn));
        continue;
      case Key.AUIPC: case Key.AUIPC | Key.F1: case Key.AUIPC | Key.F2: case Key.AUIPC | Key.F3:
      case Key.AUIPC | Key.F4: case Key.AUIPC | Key.F5: case Key.AUIPC | Key.F6: case Key.AUIPC | Key.F7:
        setRd(base, insn, here + immU(insn));
        continue;
      case Key.JAL: case Key.JAL | Key.F1: case Key.JAL | Key.F2: case Key.JAL | Key.F3:
      case Key.JAL | Key.F4: case Key.JAL | Key.F5: case Key.JAL | Key.F6: case Key.JAL | Key.F7:
        setRd(base, insn, pc);
        pc = here + immJ(insn);
        continue;
      case Key.AMO: case Key.AMO | Key.F1: case Key.AMO | Key.F2: case Key.AMO | Key.F3:
      case Key.AMO | Key.F4: case Key.AMO | Key.F5: case Key.AMO | Key.F6: case Key.AMO | Key.F7:
        store<u64>(base, here, H_PC);
        executeAtomic(insn);
        if (!diverted) continue;
        break;
      case Key.SYSTEM: case Key.SYSTEM | Key.F1: case Key.SYSTEM | Key.F2: case Key.SYSTEM | Key.F3:
      case Key.SYSTEM | Key.F4: case Key.SYSTEM | Key.F5: case Key.SYSTEM | Key.F6: case Key.SYSTEM | Key.F7: {
        store<u64>(base, here, H_PC);
        retire(base, counted - left - 1); // all before this one, so that it reads the right minstret
        counted = left + 1;
        const exit = executeSystem(insn);
        if (exit != NO_EXIT) {
          retire(base, counted - left);
          return exit;
        }
      }
    }

    if (!diverted) {
      store<u64>(base, here, H_PC);
      if (executeExtension(insn)) {
        if (!diverted) continue;
      } else {
        raise(ILLEGAL_INSTRUCTION, raw);
      }
    }
    setDiverted(false);
    pc = load<u64>(base, H_PC);
    context = dataContext;
    page = pc + PAGE;
  }

  store<u64>(base, 0, H_X);
  store<u64>(base, pc, H_PC);
  retire(base, counted - left);
  return EXIT_BUDGET;
}
