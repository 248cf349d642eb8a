/** The state of a machine besides its RAM, as it travels in a migration stream: versioned JSON in UTF-8. */
import type { BoardState } from './board-devices.js';
import type { HartState } from './hart-state.js';

const FORMAT = 'drover-machine';
const VERSION = 3;
const MAX_NS = 2n ** 63n - 1n;
const MAX_TICKS = 2n ** 64n - 1n;

export interface MachineSnapshot extends BoardState {
  /** Guest nanoseconds at which time stood still; decimal, to survive JSON. */
  readonly guestNs: string;
  /** What the guest has set mtime to differ from guest time: ticks modulo 2^64, decimal. */
  readonly mtimeOffset: string;
  readonly ramBytes: number;
  readonly harts: readonly HartState[];
}

export function encodeSnapshot(snapshot: MachineSnapshot): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: FORMAT, version: VERSION, ...snapshot }));
}

/** Throws a RangeError unless the bytes are a snapshot that this build reads. Fields are checked by who restores them. */
export function decodeSnapshot(bytes: Uint8Array): MachineSnapshot {
  const read = parse(bytes);
  if (read?.format !== FORMAT) throw new RangeError('machine state: these bytes are not one');
  if (read.version !== VERSION) {
    throw new RangeError(`machine state: version ${String(read.version)}, this build reads ${VERSION}`);
  }
  const { guestNs, mtimeOffset, ramBytes, harts, uart, plic, finisher, htif, rtc, watchdog, virtio } = read;
  checkDecimal('guestNs', guestNs, MAX_NS);
  checkDecimal('mtimeOffset', mtimeOffset, MAX_TICKS);
  if (!Array.isArray(harts)) throw new RangeError('machine state: harts is not a list');
  if (!Array.isArray(virtio) || !virtio.every(isObject)) throw new RangeError('machine state: virtio is not a list');
  const absent = Object.entries({ uart, plic, finisher, htif, rtc, watchdog }).find(([, state]) => !isObject(state));
  if (absent) throw new RangeError(`machine state: ${absent[0]} is missing`);
  const devices = { uart, plic, finisher, htif, rtc, watchdog, virtio };
  return { guestNs, mtimeOffset, ramBytes, harts, ...devices } as unknown as MachineSnapshot;
}

function checkDecimal(name: string, value: unknown, max: bigint): void {
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value) || BigInt(value) > max)
    throw new RangeError(`machine state: ${name} is ${String(value)}, not a whole number up to ${max}`);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // the caller says that it is no snapshot
  }
}
