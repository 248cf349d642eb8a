/**
 * The Supervisor Binary Interface, version 2.0 (RISC-V SBI specification): base, TIME, sPI, RFENCE, HSM, SRST and DBCN.
 * What a call means is decided here; what it does to harts and machine goes through SbiPorts.
 */
import { fenceRange, type FenceRange } from './remote-fence.js';

const SBI_SUCCESS = 0;
const SBI_NOT_SUPPORTED = -2;
const SBI_INVALID_PARAM = -3;
const SBI_INVALID_ADDRESS = -5;
const SBI_ALREADY_AVAILABLE = -6;

/** HSM hart states (SBI, table 1 of the HSM chapter). */
export const HSM_STARTED = 0;
export const HSM_STOPPED = 1;
export const HSM_START_PENDING = 2;
export const HSM_SUSPENDED = 4;

const BASE = 0x10;
const TIME = 0x54494d45;
const SPI = 0x735049;
const RFENCE = 0x52464e43;
const HSM = 0x48534d;
const SRST = 0x53525354;
const DBCN = 0x4442434e;
const EXTENSIONS = [BASE, TIME, SPI, RFENCE, HSM, SRST, DBCN];

const SPEC_VERSION = 2 << 24;
/** No number is registered for this implementation; those from 0 to about 16 belong to others. */
const IMPLEMENTATION_ID = 0xd7;
const IMPLEMENTATION_VERSION = 1;
const ALL_ONES = 2n ** 64n - 1n;
const NON_RETENTIVE = 0x8000_0000n;

export interface SbiCall {
  /** a7 */
  readonly extension: bigint;
  /** a6 */
  readonly function: bigint;
  /** a0 to a5, unsigned. */
  readonly args: readonly bigint[];
}

/** What goes back into a0 and a1; undefined for a call that does not return. */
export type SbiResult = { readonly error: number; readonly value: bigint } | undefined;

export type ResetKind = 'shutdown' | 'failure' | 'reboot';

/** The calling hart and its machine. */
export interface SbiPorts {
  readonly harts: number;
  isRam(address: bigint, size: bigint): boolean;
  setTimer(ticks: bigint): void;
  sendIpi(harts: readonly number[]): void;
  /**
   * Returns when no hart of the list can use an old translation of the range any more; without a range, no old
   * translation or instruction at all.
   */
  remoteFence(harts: readonly number[], range?: FenceRange): void;
  hartState(hart: number): number;
  /** False if the hart is not stopped. */
  startHart(hart: number, pc: bigint, opaque: bigint): boolean;
  stopSelf(): void;
  /** Waits as WFI does; with `resume`, goes on there with everything else reset. */
  suspendSelf(resume?: { readonly pc: bigint; readonly opaque: bigint }): void;
  systemReset(kind: ResetKind): void;
  /** Sends RAM to the console, or fills it from there; returns the bytes done, 0 if nothing was typed. */
  consoleWrite(address: bigint, size: bigint): bigint | undefined;
  consoleRead(address: bigint, size: bigint): bigint | undefined;
  consoleWriteByte(byte: number): void;
}

const done = (value: bigint | number = 0): SbiResult => ({ error: SBI_SUCCESS, value: BigInt(value) });
const failed = (error: number): SbiResult => ({ error, value: 0n });

/** Carries out one call. Unknown extensions and functions answer SBI_ERR_NOT_SUPPORTED. */
export function handleSbi(call: SbiCall, ports: SbiPorts): SbiResult {
  const { extension, args } = call;
  const fid = call.function;
  switch (Number(extension)) {
    case BASE:
      return base(fid, arg(args, 0));
    case TIME:
      if (fid !== 0n) break;
      ports.setTimer(arg(args, 0));
      return done();
    case SPI:
      if (fid !== 0n) break;
      return withHarts(args, ports.harts, (harts) => ports.sendIpi(harts));
    case RFENCE:
      if (fid > 2n) break; // HFENCE needs the hypervisor extension
      return withHarts(args, ports.harts, (harts) => {
        ports.remoteFence(harts, fid === 0n ? undefined : fenceRange(arg(args, 2), arg(args, 3)));
      });
    case HSM:
      return hsm(fid, args, ports);
    case SRST:
      return fid === 0n ? systemReset(arg(args, 0), arg(args, 1), ports) : failed(SBI_NOT_SUPPORTED);
    case DBCN:
      return debugConsole(fid, args, ports);
    default:
  }
  return failed(SBI_NOT_SUPPORTED);
}

const arg = (args: readonly bigint[], index: number): bigint => args[index] ?? 0n;

function base(fid: bigint, probed: bigint): SbiResult {
  switch (Number(fid)) {
    case 0:
      return done(SPEC_VERSION);
    case 1:
      return done(IMPLEMENTATION_ID);
    case 2:
      return done(IMPLEMENTATION_VERSION);
    case 3:
      return done(EXTENSIONS.some((extension) => BigInt(extension) === probed) ? 1 : 0);
    case 4: // mvendorid, marchid and mimpid: not a commercial implementation
    case 5:
    case 6:
      return done();
    default:
      return failed(SBI_NOT_SUPPORTED);
  }
}

/** Decodes hart_mask (a0) and hart_mask_base (a1); base -1 means all harts (SBI, "Hart list parameter"). */
function withHarts(args: readonly bigint[], count: number, action: (harts: readonly number[]) => void): SbiResult {
  const mask = arg(args, 0);
  const first = arg(args, 1);
  const all = Array.from({ length: count }, (_, hart) => hart);
  const harts = first === ALL_ONES ? all : all.filter((hart) => selects(mask, first, hart));
  const wanted = first === ALL_ONES ? all.length : mask.toString(2).replaceAll('0', '').length;
  if (harts.length !== wanted) return failed(SBI_INVALID_PARAM);
  action(harts);
  return done();
}

function selects(mask: bigint, first: bigint, hart: number): boolean {
  const bit = BigInt(hart) - first;
  return bit >= 0n && bit < 64n && ((mask >> bit) & 1n) === 1n;
}

function hsm(fid: bigint, args: readonly bigint[], ports: SbiPorts): SbiResult {
  const hart = arg(args, 0);
  switch (Number(fid)) {
    case 0:
      if (hart >= BigInt(ports.harts)) return failed(SBI_INVALID_PARAM);
      if (!ports.isRam(arg(args, 1), 2n)) return failed(SBI_INVALID_ADDRESS);
      return ports.startHart(Number(hart), arg(args, 1), arg(args, 2)) ? done() : failed(SBI_ALREADY_AVAILABLE);
    case 1:
      ports.stopSelf();
      return undefined;
    case 2:
      return hart < BigInt(ports.harts) ? done(ports.hartState(Number(hart))) : failed(SBI_INVALID_PARAM);
    case 3:
      return suspend(arg(args, 0), { pc: arg(args, 1), opaque: arg(args, 2) }, ports);
    default:
      return failed(SBI_NOT_SUPPORTED);
  }
}

function suspend(type: bigint, resume: { pc: bigint; opaque: bigint }, ports: SbiPorts): SbiResult {
  if (type === 0n) {
    ports.suspendSelf();
    return done();
  }
  if (type !== NON_RETENTIVE) return failed(SBI_INVALID_PARAM);
  if (!ports.isRam(resume.pc, 2n)) return failed(SBI_INVALID_ADDRESS);
  ports.suspendSelf(resume);
  return undefined;
}

function systemReset(type: bigint, reason: bigint, ports: SbiPorts): SbiResult {
  if (type > 2n || reason > 1n) return failed(SBI_INVALID_PARAM);
  if (type > 0n) ports.systemReset('reboot');
  else ports.systemReset(reason === 1n ? 'failure' : 'shutdown');
  return undefined;
}

function debugConsole(fid: bigint, args: readonly bigint[], ports: SbiPorts): SbiResult {
  const [size, low, high] = [arg(args, 0), arg(args, 1), arg(args, 2)];
  switch (Number(fid)) {
    case 0:
    case 1: {
      if (high !== 0n || !ports.isRam(low, size)) return failed(SBI_INVALID_PARAM);
      const bytes = fid === 0n ? ports.consoleWrite(low, size) : ports.consoleRead(low, size);
      return bytes === undefined ? undefined : done(bytes);
    }
    case 2:
      ports.consoleWriteByte(Number(size & 0xffn));
      return done();
    default:
      return failed(SBI_NOT_SUPPORTED);
  }
}
