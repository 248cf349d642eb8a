/** The state of a hart as it travels: read from its block in shared memory, checked, and written there again. */
import * as slots from './cpu/slots.js';
import {
  HARTS,
  HART_SIZE,
  H_CSR,
  H_F,
  H_HSM,
  H_INSTRET,
  H_MIP,
  H_MTIMECMP,
  H_PC,
  H_PRIV,
  H_STIMECMP,
  H_X,
} from './layout.js';

const VERSION = 2;
const PRIVILEGES = ['U', 'S', undefined, 'M'] as const;

/** Name in HartState of every stored CSR, by slot. */
const CSR_NAMES: readonly string[] = nameSlots();

/** All of a hart that a migration or a snapshot carries; 64-bit values as hexadecimal strings, to survive JSON. */
export interface HartState {
  readonly version: 2;
  readonly privilege: 'U' | 'S' | 'M';
  readonly pc: string;
  /** x0 to x31. */
  readonly x: readonly string[];
  /** f0 to f31; singles are NaN-boxed. */
  readonly f: readonly string[];
  /** Stored CSRs by lower-case name; `sbi` and `mcycle_offset` are the module's own. */
  readonly csrs: Readonly<Record<string, string>>;
  readonly instret: string;
  /** Interrupt-pending bits set from outside (H_MIP), in the layout of mip. */
  readonly pending: number;
  readonly mtimecmp: string;
  readonly stimecmp: string;
  /** SBI HSM state number. */
  readonly hsm: number;
}

/** A state that has been checked, as numbers. */
interface HartValues {
  readonly privilege: number;
  /** At their offsets in the block. */
  readonly doubleWords: ReadonlyMap<number, bigint>;
  readonly pending: number;
  readonly hsm: number;
}

/** What is in the hart's block; `view` is of the whole memory. */
export function readHartState(view: DataView, hartId: number): HartState {
  const base = HARTS + hartId * HART_SIZE;
  const at = (offset: number) => hex(view.getBigUint64(base + offset, true));
  const file = (offset: number) => Array.from({ length: 32 }, (_, i) => at(offset + 8 * i));
  const privilege = PRIVILEGES[view.getUint32(base + H_PRIV, true)];
  if (!privilege) throw new Error(`hart ${hartId}: the privilege mode in its block is not one`);
  return {
    version: VERSION,
    privilege,
    pc: at(H_PC),
    x: file(H_X),
    f: file(H_F),
    csrs: Object.fromEntries(CSR_NAMES.map((name, slot) => [name, at(H_CSR + 8 * slot)])),
    instret: at(H_INSTRET),
    pending: view.getUint32(base + H_MIP, true),
    mtimecmp: at(H_MTIMECMP),
    stimecmp: at(H_STIMECMP),
    hsm: view.getInt32(base + H_HSM, true),
  };
}

/** Throws a RangeError on another version, a CSR that is missing or unknown, and values that are none. */
export function checkHartState(state: HartState): HartValues {
  if (state.version !== VERSION) {
    throw new RangeError(`hart state: version ${String(state.version)}, this build reads ${VERSION}`);
  }
  const privilege = PRIVILEGES.indexOf(state.privilege);
  if (privilege < 0) throw new RangeError(`hart state: privilege ${String(state.privilege)} is not U, S or M`);
  const unknown = Object.keys(state.csrs).find((name) => !CSR_NAMES.includes(name));
  if (unknown) throw new RangeError(`hart state: csr ${unknown} is unknown to this build`);
  const missing = CSR_NAMES.find((name) => state.csrs[name] === undefined);
  if (missing) throw new RangeError(`hart state: csr ${missing} is missing`);
  const { pc, instret, mtimecmp, stimecmp, pending, hsm } = state;
  const doubleWords = new Map([
    ...registerFile(state, 'x')
      .map((value, i) => [H_X + 8 * i, value] as const)
      .slice(1),
    ...registerFile(state, 'f').map((value, i) => [H_F + 8 * i, value] as const),
    ...CSR_NAMES.map((name, slot) => [H_CSR + 8 * slot, doubleWord(`csr ${name}`, state.csrs[name])] as const),
    [H_PC, doubleWord('pc', pc)],
    [H_INSTRET, doubleWord('instret', instret)],
    [H_MTIMECMP, doubleWord('mtimecmp', mtimecmp)],
    [H_STIMECMP, doubleWord('stimecmp', stimecmp)],
  ]);
  return { privilege, doubleWords, pending: word('pending', pending), hsm: word('hsm', hsm) };
}

/** Fills the hart's block, x0 excepted, which stays zero. */
export function writeHartState(view: DataView, hartId: number, values: HartValues): void {
  const base = HARTS + hartId * HART_SIZE;
  for (const [offset, value] of values.doubleWords) view.setBigUint64(base + offset, value, true);
  view.setUint32(base + H_PRIV, values.privilege, true);
  view.setUint32(base + H_MIP, values.pending, true);
  view.setInt32(base + H_HSM, values.hsm, true);
}

const hex = (value: bigint) => `0x${value.toString(16)}`;

function registerFile(state: HartState, file: 'x' | 'f'): bigint[] {
  const values = state[file];
  if (values?.length !== 32) throw new RangeError(`hart state: ${file} has ${values?.length} registers instead of 32`);
  return values.map((value, i) => doubleWord(`${file}${i}`, value));
}

function doubleWord(name: string, value: unknown): bigint {
  if (typeof value === 'string' && /^0x[\da-f]{1,16}$/.test(value)) return BigInt(value);
  throw new RangeError(`hart state: ${name} is ${String(value)} instead of 64 bits in hexadecimal`);
}

function word(name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32) return value as number;
  throw new RangeError(`hart state: ${name} is ${String(value)} instead of a whole number of 32 bits`);
}

/** Slot names from the constants themselves, so that a CSR cannot be stored without being saved. */
function nameSlots(): string[] {
  const { PMPADDR0: first, ...named } = slots;
  const names = Array.from({ length: slots.SLOTS }, (_, slot) => `pmpaddr${slot - first}`);
  for (const [name, slot] of Object.entries(named)) {
    if (name !== 'SLOTS' && !name.startsWith('EXIT_')) names[slot] = name.toLowerCase();
  }
  return names;
}
