/**
 * LR, SC and AMOs, as real atomic operations on the shared memory, so that they hold between harts. SC compares with
 * the value that LR read: a store in between that put the same value back goes unseen, as it does in QEMU.
 */
import { H_RESERVATION, H_RESERVED_VALUE, H_TLB_READ, H_TLB_WRITE, RAM, RAM_BASE } from '../layout';
import { tellTohost } from './memory.as';
import {
  NO_ADDRESS, PAGE_MASK, READ, WRITE, accessFault, cacheRead, cacheWrite, inRam, tlbEntry, translate,
} from './mmu.as';
import { dataContext } from './privilege.as';
import { hart, setX, x } from './registers.as';
import { ILLEGAL_INSTRUCTION, LOAD_MISALIGNED, NO_RESERVATION, STORE_MISALIGNED, raise } from './trap.as';

const AMOADD: u32 = 0;
const AMOSWAP: u32 = 1;
const LR: u32 = 2;
const SC: u32 = 3;
const AMOXOR: u32 = 4;
const AMOOR: u32 = 8;
const AMOAND: u32 = 12;
const AMOMIN: u32 = 16;
const AMOMAX: u32 = 20;
const AMOMINU: u32 = 24;
const AMOMAXU: u32 = 28;

/** Executes one instruction of the AMO opcode; H_PC points to it. If it traps, `diverted` is set. */
export function executeAtomic(insn: u32): void {
  const operation = insn >> 27;
  const width = (insn >> 12) & 7;
  if (!isLegal(operation, width, (insn >> 20) & 31)) {
    raise(ILLEGAL_INSTRUCTION, insn);
    return;
  }
  const va = x((insn >> 15) & 31);
  const host = atomicAddress(va, width, operation == LR ? READ : WRITE);
  if (!host) return;
  const operand = x((insn >> 20) & 31);
  let result: i64;
  if (width == 2) {
    const word: i32 = execute<i32>(operation, host, operand as i32);
    result = word as i64;
  } else {
    result = execute<i64>(operation, host, operand);
  }
  setX((insn >> 7) & 31, result);
  const hasStored = operation == SC ? result == 0 : operation != LR;
  if (hasStored) tellTohost((RAM_BASE as u64) + (host - RAM), 1 << width);
}

function isLegal(operation: u32, width: u32, rs2: u32): bool {
  if (width != 2 && width != 3) return false;
  if (operation == LR) return rs2 == 0;
  return operation < 5 || (operation & 3) == 0;
}

/** Host address of a naturally aligned word in RAM, or 0 after raising the fault. Devices take no atomics. */
function atomicAddress(va: u64, width: u32, access: u32): usize {
  if (va & ((1 << width) - 1)) {
    raise(access == READ ? LOAD_MISALIGNED : STORE_MISALIGNED, va);
    return 0;
  }
  const entry = hart + tlbEntry(va) + (access == READ ? H_TLB_READ : H_TLB_WRITE);
  if (load<u64>(entry) == ((va & PAGE_MASK) | dataContext)) return (va as usize) + load<usize>(entry, 8);
  const pa = translate(va, access, 1 << width);
  if (pa == NO_ADDRESS) return 0;
  if (inRam(pa)) return access == READ ? cacheRead(va, pa) : cacheWrite(va, pa);
  accessFault(va, access);
  return 0;
}

/** The value for rd. Results pass through a local of type T: a direct cast of an atomic load would zero-extend. */
function execute<T>(operation: u32, host: usize, operand: T): T {
  if (operation == LR) {
    const value: T = atomic.load<T>(host);
    store<u64>(hart, reservation<T>(host), H_RESERVATION);
    store<u64>(hart, value as u64, H_RESERVED_VALUE);
    return value;
  }
  if (operation == SC) {
    const reserved = load<u64>(hart, H_RESERVATION) == reservation<T>(host);
    store<u64>(hart, NO_RESERVATION, H_RESERVATION);
    if (!reserved) return 1 as T;
    const expected = load<u64>(hart, H_RESERVED_VALUE) as T;
    const before: T = atomic.cmpxchg<T>(host, expected, operand);
    return (before == expected ? 0 : 1) as T;
  }
  return modify<T>(operation, host, operand);
}

/** Address and width in one: an SC of another width than its LR fails. */
@inline
function reservation<T>(host: usize): u64 {
  return (host as u64) | (sizeof<T>() == 8 ? 1 : 0);
}

function modify<T>(operation: u32, host: usize, operand: T): T {
  switch (operation) {
    case AMOADD: return atomic.add<T>(host, operand);
    case AMOSWAP: return atomic.xchg<T>(host, operand);
    case AMOXOR: return atomic.xor<T>(host, operand);
    case AMOOR: return atomic.or<T>(host, operand);
    case AMOAND: return atomic.and<T>(host, operand);
  }
  // WebAssembly has no atomic minimum and maximum.
  let before: T = atomic.load<T>(host);
  while (true) {
    const after: T = keepsMemory<T>(operation, before, operand) ? before : operand;
    const seen: T = atomic.cmpxchg<T>(host, before, after);
    if (seen == before) break;
    before = seen;
  }
  return before;
}

function keepsMemory<T>(operation: u32, memory: T, operand: T): bool {
  switch (operation) {
    case AMOMIN: return memory < operand;
    case AMOMAX: return memory > operand;
    case AMOMINU: return unsigned<T>(memory) < unsigned<T>(operand);
  }
  return unsigned<T>(memory) > unsigned<T>(operand); // AMOMAXU
}

@inline
function unsigned<T>(value: T): u64 {
  return sizeof<T>() == 4 ? (value as u32 as u64) : (value as u64);
}
