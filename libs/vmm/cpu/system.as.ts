/** The SYSTEM opcode: CSR instructions, ECALL, EBREAK, returns, WFI, SFENCE.VMA. */
import {
  CSR_CYCLE, CSR_HPMCOUNTER31, CSR_SATP, CSR_STIMECMP, csrExists, isFloatCsr, readCsr, readToModify, writeCsr,
} from './csr.as';
import { floatIsOn } from './fcsr.as';
import { flushAddress, flushAll } from './mmu.as';
import {
  MACHINE_MODE, STCE, SUPERVISOR, TSR, TVM, TW, USER, environmentHas, mstatus, privilege,
} from './privilege.as';
import { pc, setDiverted, setPc, setX, slot, x } from './registers.as';
import { EXIT_SBI, EXIT_WFI, MCOUNTEREN, SBI, SCOUNTEREN } from './slots';
import {
  BREAKPOINT, ECALL, ILLEGAL_INSTRUCTION, mret, pendingInterrupts, raise, sret, takeInterrupt,
} from './trap.as';

/** Answer of executeSystem when `run` goes on. */
export const NO_EXIT: i32 = -1;

/**
 * Executes one SYSTEM instruction; H_PC points to it before and to what follows after. Returns why `run` must return,
 * or NO_EXIT. Interrupts that it uncovers (a CSR write, a return) are taken at once: a guest that polls would wait
 * for the end of the slice otherwise.
 */
export function executeSystem(insn: u32): i32 {
  setDiverted(true);
  const funct3 = (insn >> 12) & 7;
  const exit = funct3 == 0 ? executePrivileged(insn) : executeCsr(insn, funct3);
  if (exit == NO_EXIT) takeInterrupt();
  return exit;
}

@inline
function illegal(insn: u32): i32 {
  raise(ILLEGAL_INSTRUCTION, insn);
  return NO_EXIT;
}

@inline
function advance(): void {
  setPc(pc() + 4);
}

function executePrivileged(insn: u32): i32 {
  const mode = privilege();
  const status = mstatus();
  if (insn >> 25 == 9 && (insn & 0xf80) == 0) return sfence(insn, mode, status);
  switch (insn) {
    case 0x0000_0073: // ECALL
      if (mode == SUPERVISOR && slot(SBI)) {
        advance();
        return EXIT_SBI;
      }
      raise(ECALL + mode, 0);
      return NO_EXIT;
    case 0x0010_0073: // EBREAK
      raise(BREAKPOINT, 0);
      return NO_EXIT;
    case 0x1020_0073: // SRET
      if (mode == USER || (mode == SUPERVISOR && status & TSR)) return illegal(insn);
      sret();
      return NO_EXIT;
    case 0x3020_0073: // MRET
      if (mode != MACHINE_MODE) return illegal(insn);
      mret();
      return NO_EXIT;
    case 0x1050_0073: // WFI
      if (mode == USER || (mode == SUPERVISOR && status & TW)) return illegal(insn);
      advance();
      return pendingInterrupts() ? NO_EXIT : EXIT_WFI;
  }
  return illegal(insn);
}

/** SFENCE.VMA. The address-space id (rs2) is ignored: more is dropped than asked for. */
function sfence(insn: u32, mode: u32, status: u64): i32 {
  if (mode == USER || (mode == SUPERVISOR && status & TVM)) return illegal(insn);
  const rs1 = (insn >> 15) & 31;
  if (rs1) flushAddress(x(rs1));
  else flushAll();
  advance();
  return NO_EXIT;
}

function executeCsr(insn: u32, funct3: u32): i32 {
  const n = insn >> 20;
  const rs1 = (insn >> 15) & 31;
  const operation = funct3 & 3; // 1 write, 2 set, 3 clear
  const writes = operation == 1 || rs1 != 0;
  if (operation == 0 || !mayAccess(n, writes)) return illegal(insn);

  const rd = (insn >> 7) & 31;
  const operand: u64 = funct3 >= 4 ? rs1 : x(rs1);
  const value = readCsr(n);
  if (writes) {
    const base = readToModify(n);
    writeCsr(n, operation == 1 ? operand : operation == 2 ? base | operand : base & ~operand);
  }
  setX(rd, value);
  advance();
  return NO_EXIT;
}

/** Bit of time in mcounteren, which stimecmp depends on too. */
const TM: u64 = 2;

/** Privileged spec, 2.1 (numbers tell mode and read-only), 3.1.6.5 (TVM), 3.1.11 and 4.1.5 (counter enables), Sstc. */
function mayAccess(n: u32, writes: bool): bool {
  const mode = privilege();
  if (!csrExists(n) || ((n >> 8) & 3) > mode || (writes && n >> 10 == 3)) return false;
  if (isFloatCsr(n)) return floatIsOn();
  if (n == CSR_SATP) return mode != SUPERVISOR || !(mstatus() & TVM);
  if (n == CSR_STIMECMP) return mode == MACHINE_MODE || (environmentHas(STCE) && (slot(MCOUNTEREN) & TM) != 0);
  if (n >= CSR_CYCLE && n <= CSR_HPMCOUNTER31 && mode != MACHINE_MODE) {
    const counter: u64 = 1 << (n - CSR_CYCLE);
    return (slot(MCOUNTEREN) & counter) != 0 && (mode == SUPERVISOR || (slot(SCOUNTEREN) & counter) != 0);
  }
  return true;
}
