/**
 * Code for loads, stores and atomic operations: the software TLB is looked up inline, as in cpu/mmu. If it does not
 * answer, the region is left before the instruction, which the interpreter then executes, with all that may come of it
 * (a page fault, a device, a page that is written for the first time since the dirty log was read, code that is
 * overwritten). So translated code calls nothing, and V8 can keep guest registers in machine registers across accesses.
 */
import { MENVCFG, SENVCFG } from '../cpu/slots.js';
import {
  H_CSR,
  H_PRIV,
  H_RESERVATION,
  H_RESERVED_VALUE,
  H_TLB_READ,
  H_TLB_WRITE,
  TLB_FOLD,
  TLB_MASK,
  TLB_SHIFT,
} from '../layout.js';
import { EXIT_INTERPRET, type Frame, type Place } from './frame.js';
import type { Action, AtomicOperation, Width } from './instruction.js';
import type { AtomicAccess, MemoryAccess } from './wasm/opcodes.js';

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

const SIGNED_LOADS: Record<Width, MemoryAccess> = {
  1: 'i64.load8_s',
  2: 'i64.load16_s',
  4: 'i64.load32_s',
  8: 'i64.load',
};
const UNSIGNED_LOADS: Record<Width, MemoryAccess> = {
  1: 'i64.load8_u',
  2: 'i64.load16_u',
  4: 'i64.load32_u',
  8: 'i64.load',
};
const STORES: Record<Width, MemoryAccess> = { 1: 'i64.store8', 2: 'i64.store16', 4: 'i64.store32', 8: 'i64.store' };
const ATOMICS: Record<Exclude<AtomicOperation, 'lr' | 'sc'>, Record<4 | 8, AtomicAccess>> = {
  amoadd: { 4: 'i64.atomic.rmw32.add_u', 8: 'i64.atomic.rmw.add' },
  amoswap: { 4: 'i64.atomic.rmw32.xchg_u', 8: 'i64.atomic.rmw.xchg' },
  amoxor: { 4: 'i64.atomic.rmw32.xor_u', 8: 'i64.atomic.rmw.xor' },
  amoand: { 4: 'i64.atomic.rmw32.and_u', 8: 'i64.atomic.rmw.and' },
  amoor: { 4: 'i64.atomic.rmw32.or_u', 8: 'i64.atomic.rmw.or' },
};

/** In an entry of a TLB, behind the tag. */
const TLB_ADDEND = 8;
const PAGE_MASK = -4096;

/** menvcfg and senvcfg: CBO.ZERO may be executed in less privileged modes (cpu/privilege). */
const CBZE = 1 << 7;
const BLOCK_BYTES = 64;

/** Reservation of an LR that none matches, as in cpu/trap. */
const NO_RESERVATION = -1;
/** In a reservation, beside the host address: it is one of 8 bytes. */
const RESERVED_DOUBLE = 1;

export function load(frame: Frame, { width, signed, rd, rs1, immediate }: Of<'load'>, place: Place): void {
  pushHostAddress(frame, H_TLB_READ, rs1, immediate, width, place);
  frame.code.memory((signed ? SIGNED_LOADS : UNSIGNED_LOADS)[width]);
  frame.set(rd);
}

export function store(frame: Frame, { width, rs1, rs2, immediate }: Of<'store'>, place: Place): void {
  pushHostAddress(frame, H_TLB_WRITE, rs1, immediate, width, place);
  frame.get(rs2);
  frame.code.memory(STORES[width]);
}

/** CBO.ZERO, which Linux clears pages with. M-mode without menvcfg.CBZE, which may execute it too, is left to the interpreter. */
export function zeroBlock(frame: Frame, { rs1 }: Of<'zeroBlock'>, place: Place): void {
  const { code, hart, address } = frame;
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    code
      .get(hart)
      .memory('i64.load', H_CSR + 8 * SENVCFG)
      .i64(-1)
      .get(hart)
      .memory('i32.load', H_PRIV);
    code.op('i32.eqz', 'select'); // senvcfg counts in U-mode
    code
      .get(hart)
      .memory('i64.load', H_CSR + 8 * MENVCFG)
      .op('i64.and')
      .i64(CBZE)
      .op('i64.and', 'i64.eqz');
  });
  const host = frame.scratch('host', address);
  pushHostAddress(frame, H_TLB_WRITE, rs1, 0, 1, place);
  if (address === 'i32') code.i32(-BLOCK_BYTES).op('i32.and');
  else code.i64(-BLOCK_BYTES).op('i64.and');
  code.set(host);
  for (let offset = 0; offset < BLOCK_BYTES; offset += 8) code.get(host).i64(0).memory('i64.store', offset);
}

export function atomic(frame: Frame, action: Of<'atomic'>, place: Place): void {
  const { code } = frame;
  const { operation, width, rd, rs1, rs2 } = action;
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    frame.get(rs1);
    code
      .op('i32.wrap_i64')
      .i32(width - 1)
      .op('i32.and'); // misaligned
  });
  pushHostAddress(frame, operation === 'lr' ? H_TLB_READ : H_TLB_WRITE, rs1, 0, width, place);
  if (operation === 'lr') {
    reserve(frame, width);
  } else if (operation === 'sc') {
    storeConditionally(frame, width, rs2);
  } else {
    frame.get(rs2);
    code.atomic(ATOMICS[operation][width]);
    if (width === 4) code.op('i64.extend32_s');
  }
  frame.set(rd);
}

/** Replaces the host address on the stack by what is read there, and reserves it as cpu/atomic does. */
function reserve(frame: Frame, width: 4 | 8): void {
  const { code, hart } = frame;
  const [host, value] = [frame.scratch('host', frame.address), frame.scratch('value', 'i64')];
  code.tee(host).atomic(width === 8 ? 'i64.atomic.load' : 'i64.atomic.load32_u');
  if (width === 4) code.op('i64.extend32_s');
  code.set(value);
  code.get(hart);
  pushReservation(frame, host, width);
  code.memory('i64.store', H_RESERVATION);
  code.get(hart).get(value).memory('i64.store', H_RESERVED_VALUE);
  code.get(value);
}

/** Replaces the host address on the stack by 0 if the store was done, else by 1. */
function storeConditionally(frame: Frame, width: 4 | 8, rs2: number): void {
  const { code, hart } = frame;
  const [host, value] = [frame.scratch('host', frame.address), frame.scratch('value', 'i64')];
  code.set(host).get(hart).memory('i64.load', H_RESERVED_VALUE);
  if (width === 4) code.i64(0xffff_ffff).op('i64.and'); // the comparison is of 64 bits
  code.set(value);
  code.get(hart).memory('i64.load', H_RESERVATION);
  pushReservation(frame, host, width);
  code.op('i64.eq');
  const reserved = code.if('i64');
  code.get(host).get(value);
  frame.get(rs2);
  code.atomic(width === 8 ? 'i64.atomic.rmw.cmpxchg' : 'i64.atomic.rmw32.cmpxchg_u');
  code.get(value).op('i64.ne', 'i64.extend_i32_u').else().i64(1).end(reserved);
  code.get(hart).i64(NO_RESERVATION).memory('i64.store', H_RESERVATION);
}

function pushReservation({ code, address }: Frame, host: number, width: 4 | 8): void {
  code.get(host);
  if (address === 'i32') code.op('i64.extend_i32_u');
  if (width === 8) code.i64(RESERVED_DOUBLE).op('i64.or');
}

/** Pushes the host address of an access of `width` bytes, or leaves the region. */
export function pushHostAddress(
  frame: Frame,
  tlb: number,
  rs1: number,
  immediate: number,
  width: Width,
  place: Place,
): void {
  const { code, address } = frame;
  const [va, entry] = [frame.scratch('va', 'i64'), frame.scratch('entry', address)];
  frame.get(rs1);
  if (immediate !== 0) code.i64(immediate).op('i64.add');
  code.set(va);
  frame.leaveIf(place, EXIT_INTERPRET, () => {
    code.get(va).i64(TLB_SHIFT).op('i64.shr_u').get(va).i64(TLB_FOLD).op('i64.shr_u', 'i64.xor');
    if (address === 'i32') code.op('i32.wrap_i64').i32(TLB_MASK).op('i32.and');
    else code.i64(TLB_MASK).op('i64.and');
    code.get(frame.hart).op(`${address}.add`).tee(entry).memory('i64.load', tlb);
    // The last byte decides the page, so an access that crosses pages does not match.
    code.get(va);
    if (width > 1) code.i64(width - 1).op('i64.add');
    code.i64(PAGE_MASK).op('i64.and').get(frame.context).op('i64.or', 'i64.ne');
  });
  code.get(va);
  if (address === 'i32') code.op('i32.wrap_i64');
  code
    .get(entry)
    .memory(`${address}.load`, tlb + TLB_ADDEND)
    .op(`${address}.add`);
}
