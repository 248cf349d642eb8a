/**
 * The inner loop: executes decoded instructions by one switch, as long as nothing unusual comes up. It calls nothing:
 * V8 keeps the locals of such a loop in registers, where one call, however rare, has them written to the stack each
 * time round.
 */
import { H_ATTENTION, H_F, H_PC, H_TLB_EXEC, H_TLB_READ, H_TLB_WRITE } from '../layout';
import { div, divu, mulh, mulhsu, mulhu, rem, remu } from './arithmetic.as';
import { D_CROSSING, hostPage, numbered } from './decoded-pages.as';
import { floatIsDirty, floatIsOn } from './fcsr.as';
import { BOX } from './float.as';
import { PAGE, PAGE_MASK, tlbEntry } from './mmu.as';
import {
  DECODED, Op, anyPlaceOf, immediate, immediateWord, lengthOf, offsetOfRd, offsetOfRs2, opOf, placeOf, placeOfWide, rs1, rs2, setRd, setWord,
  wideImmediate,
} from './operations.as';
import { codeContext, dataContext } from './privilege.as';
import { hart } from './registers.as';
import { hasTranslated } from './translated.as';

/** What an entry of a TLB has for an access whose last byte is at `va`. */
@inline
function tag(va: u64, context: u64): u64 {
  return (va & PAGE_MASK) | context;
}

/** Leaves the loop for `pc`; `rest` is 8 times what is left of the budget. */
@inline
function leave(base: u32, pc: u64, rest: u32): i32 {
  store<u64>(base, pc, H_PC);
  return rest / DECODED;
}

/** Leaves the loop with a narrow instruction not executed. */
@inline
function leaveAt(base: u32, page: u64, at: u32, stop: u32): i32 {
  return leave(base, page + (placeOf(at) as u64), stop - at);
}

/**
 * Executes up to `left` instructions from H_PC on. It stops early at one that it cannot execute: not decoded, not in the
 * TLBs, rare. Returns how many are left; H_PC is where to go on.
 */
export function interpret(left: i32): i32 {
  const base = hart;
  const context = dataContext;
  let page = load<u64>(base, H_PC) - PAGE;
  let offset = PAGE;
  let decoded: u32 = 0;
  let next: u32 = 0;
  // Nothing is counted: `stop` is where `next` would be if all that is left of the budget stood in one line.
  let stop: u32 = left * DECODED;
  while (true) {
    // Here come all jumps, with an offset from the page that they come from.
    if (offset >= PAGE) {
      const pc = page + offset;
      const entry = base + tlbEntry(pc);
      if (load<u64>(entry, H_TLB_EXEC) != tag(pc, codeContext)) return leave(base, pc, stop - next);
      if (next && hasTranslated(pc)) return leave(base, pc, stop - next); // not at first: some progress must be made
      decoded = load<u32>(entry, H_TLB_EXEC + 8);
      page = pc & PAGE_MASK;
      offset = pc & 0xffe;
      stop -= next;
      next = 0;
    }
    const number: u32 = load<u16>(decoded + (offset as u32));
    if (!number) return leave(base, page + offset, stop - next);
    const target = numbered(decoded, number);
    if (target < next && hasTranslated(page + offset)) return leave(base, page + offset, stop - next);
    stop += target - next;
    next = target;

    // In the switch `continue` goes to the next instruction, `break` to the offset.
    while (true) {
      if (next == stop) return leave(base, page + (anyPlaceOf(next) as u64), 0);
      const at = next;
      next += DECODED;
      switch (opOf(at)) {
        case Op.LB: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<i8>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LH: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 1, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<i16>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LW: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 3, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<i32>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LD: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 7, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<i64>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LBU: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<u8>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LHU: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 1, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<u16>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.LWU: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 3, context)) return leaveAt(base, page, at, stop);
          setRd(base, at, load<u32>((va as usize) + load<usize>(entry, H_TLB_READ + 8)) as i64);
          continue;
        }
        case Op.SB: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va, context)) return leaveAt(base, page, at, stop);
          store<u8>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), rs2(base, at) as u8);
          continue;
        }
        case Op.SH: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va + 1, context)) return leaveAt(base, page, at, stop);
          store<u16>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), rs2(base, at) as u16);
          continue;
        }
        case Op.SW: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va + 3, context)) return leaveAt(base, page, at, stop);
          store<u32>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), rs2(base, at) as u32);
          continue;
        }
        case Op.SD: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va + 7, context)) return leaveAt(base, page, at, stop);
          store<u64>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), rs2(base, at) as u64);
          continue;
        }

        case Op.LI: setRd(base, at, immediate(at)); continue;
        case Op.MV: setRd(base, at, rs1(base, at)); continue;
        case Op.NOP: continue;
        case Op.LUI: setRd(base, at, wideImmediate(at)); continue;
        case Op.AUIPC: setRd(base, at, page + wideImmediate(at)); continue;

        case Op.ADDI: setRd(base, at, rs1(base, at) + immediate(at)); continue;
        case Op.SLTI: setRd(base, at, ((rs1(base, at) as i64) < (immediate(at) as i64)) as u64); continue;
        case Op.SLTIU: setRd(base, at, (rs1(base, at) < immediate(at)) as u64); continue;
        case Op.XORI: setRd(base, at, rs1(base, at) ^ immediate(at)); continue;
        case Op.ORI: setRd(base, at, rs1(base, at) | immediate(at)); continue;
        case Op.ANDI: setRd(base, at, rs1(base, at) & immediate(at)); continue;
        case Op.SLLI: setRd(base, at, rs1(base, at) << immediate(at)); continue;
        case Op.SRLI: setRd(base, at, rs1(base, at) >> immediate(at)); continue;
        case Op.SRAI: setRd(base, at, (rs1(base, at) as i64) >> immediate(at)); continue;
        case Op.ADDIW: setWord(base, at, (rs1(base, at) as i32) + immediateWord(at)); continue;
        case Op.SLLIW: setWord(base, at, (rs1(base, at) as i32) << immediateWord(at)); continue;
        case Op.SRLIW: setWord(base, at, ((rs1(base, at) as u32) >> (immediateWord(at) as u32)) as i32); continue;
        case Op.SRAIW: setWord(base, at, (rs1(base, at) as i32) >> immediateWord(at)); continue;

        case Op.ADD: setRd(base, at, rs1(base, at) + rs2(base, at)); continue;
        case Op.SUB: setRd(base, at, rs1(base, at) - rs2(base, at)); continue;
        case Op.SLL: setRd(base, at, rs1(base, at) << rs2(base, at)); continue;
        case Op.SLT: setRd(base, at, ((rs1(base, at) as i64) < (rs2(base, at) as i64)) as u64); continue;
        case Op.SLTU: setRd(base, at, (rs1(base, at) < rs2(base, at)) as u64); continue;
        case Op.XOR: setRd(base, at, rs1(base, at) ^ rs2(base, at)); continue;
        case Op.SRL: setRd(base, at, rs1(base, at) >> rs2(base, at)); continue;
        case Op.SRA: setRd(base, at, (rs1(base, at) as i64) >> rs2(base, at)); continue;
        case Op.OR: setRd(base, at, rs1(base, at) | rs2(base, at)); continue;
        case Op.AND: setRd(base, at, rs1(base, at) & rs2(base, at)); continue;
        case Op.ADDW: setWord(base, at, (rs1(base, at) as i32) + (rs2(base, at) as i32)); continue;
        case Op.SUBW: setWord(base, at, (rs1(base, at) as i32) - (rs2(base, at) as i32)); continue;
        case Op.SLLW: setWord(base, at, (rs1(base, at) as i32) << (rs2(base, at) as i32)); continue;
        case Op.SRLW: setWord(base, at, ((rs1(base, at) as u32) >> (rs2(base, at) as u32)) as i32); continue;
        case Op.SRAW: setWord(base, at, (rs1(base, at) as i32) >> (rs2(base, at) as i32)); continue;

        case Op.MUL: setRd(base, at, rs1(base, at) * rs2(base, at)); continue;
        case Op.MULH: setRd(base, at, mulh(rs1(base, at), rs2(base, at))); continue;
        case Op.MULHSU: setRd(base, at, mulhsu(rs1(base, at), rs2(base, at))); continue;
        case Op.MULHU: setRd(base, at, mulhu(rs1(base, at), rs2(base, at))); continue;
        case Op.DIV: setRd(base, at, div<i64>(rs1(base, at), rs2(base, at))); continue;
        case Op.DIVU: setRd(base, at, divu<u64>(rs1(base, at), rs2(base, at))); continue;
        case Op.REM: setRd(base, at, rem<i64>(rs1(base, at), rs2(base, at))); continue;
        case Op.REMU: setRd(base, at, remu<u64>(rs1(base, at), rs2(base, at))); continue;
        case Op.MULW: setWord(base, at, (rs1(base, at) as i32) * (rs2(base, at) as i32)); continue;
        case Op.DIVW: setWord(base, at, div<i32>(rs1(base, at) as i32, rs2(base, at) as i32)); continue;
        case Op.DIVUW: setWord(base, at, divu<u32>(rs1(base, at) as u32, rs2(base, at) as u32) as i32); continue;
        case Op.REMW: setWord(base, at, rem<i32>(rs1(base, at) as i32, rs2(base, at) as i32)); continue;
        case Op.REMUW: setWord(base, at, remu<u32>(rs1(base, at) as u32, rs2(base, at) as u32) as i32); continue;

        case Op.BEQ: if (rs1(base, at) != rs2(base, at)) continue; offset = immediate(at); break;
        case Op.BNE: if (rs1(base, at) == rs2(base, at)) continue; offset = immediate(at); break;
        case Op.BLT: if ((rs1(base, at) as i64) >= (rs2(base, at) as i64)) continue; offset = immediate(at); break;
        case Op.BGE: if ((rs1(base, at) as i64) < (rs2(base, at) as i64)) continue; offset = immediate(at); break;
        case Op.BLTU: if (rs1(base, at) >= rs2(base, at)) continue; offset = immediate(at); break;
        case Op.BGEU: if (rs1(base, at) < rs2(base, at)) continue; offset = immediate(at); break;
        case Op.J: offset = wideImmediate(at); break;
        case Op.JAL: {
          setRd(base, at, page + ((placeOfWide(at) + 4) as u64));
          offset = wideImmediate(at);
          break;
        }
        case Op.JR: offset = ((rs1(base, at) + immediate(at)) & ~1) - page; break;
        case Op.JALR: {
          offset = ((rs1(base, at) + immediate(at)) & ~1) - page;
          setRd(base, at, page + ((placeOf(at) + lengthOf(at)) as u64));
          break;
        }

        case Op.FLW: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 3, context)) return leaveAt(base, page, at, stop);
          if (!floatIsDirty()) return leaveAt(base, page, at, stop);
          store<u64>(base + offsetOfRd(at), ((load<u32>((va as usize) + load<usize>(entry, H_TLB_READ + 8))) as u64) | BOX, H_F);
          continue;
        }
        case Op.FLD: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_READ) != tag(va + 7, context)) return leaveAt(base, page, at, stop);
          if (!floatIsDirty()) return leaveAt(base, page, at, stop);
          store<u64>(base + offsetOfRd(at), load<u64>((va as usize) + load<usize>(entry, H_TLB_READ + 8)), H_F);
          continue;
        }
        case Op.FSW: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va + 3, context)) return leaveAt(base, page, at, stop);
          if (!floatIsOn()) return leaveAt(base, page, at, stop);
          store<u32>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), load<u64>(base + offsetOfRs2(at), H_F) as u32);
          continue;
        }
        case Op.FSD: {
          const va = rs1(base, at) + immediate(at);
          const entry = base + tlbEntry(va);
          if (load<u64>(entry, H_TLB_WRITE) != tag(va + 7, context)) return leaveAt(base, page, at, stop);
          if (!floatIsOn()) return leaveAt(base, page, at, stop);
          store<u64>((va as usize) + load<usize>(entry, H_TLB_WRITE + 8), load<u64>(base + offsetOfRs2(at), H_F) as u64);
          continue;
        }

        case Op.FENCE: atomic.or<u32>(base, 0, H_ATTENTION); continue; // any atomic update orders all others
        case Op.OTHER: return leave(base, page + (placeOfWide(at) as u64), stop - at);

        // What is not an instruction leaves as many to be executed as there were at it.
        case Op.GOTO: {
          const number: u32 = load<u16>(decoded + placeOf(at));
          if (!number) return leaveAt(base, page, at, stop);
          next = numbered(decoded, number);
          // A loop that was entered in its middle goes back here, and nowhere else, by the order of what was decoded.
          if (next < at && hasTranslated(page + (placeOf(at) as u64))) return leaveAt(base, page, at, stop);
          stop += next - at;
          continue;
        }
        case Op.CROSSING: {
          const second = page + PAGE;
          const entry = base + tlbEntry(second);
          if (load<u64>(entry, H_TLB_EXEC) != tag(second, codeContext)) return leaveAt(base, page, at, stop);
          const host = hostPage(load<u32>(entry, H_TLB_EXEC + 8));
          if ((load<u16>(host) as u32) != load<u32>(decoded, D_CROSSING)) return leaveAt(base, page, at, stop);
          stop += DECODED;
          continue;
        }
        case Op.PAGE_END: {
          offset = immediate(at);
          stop += DECODED;
          break;
        }
      }
      break;
    }
  }
}
