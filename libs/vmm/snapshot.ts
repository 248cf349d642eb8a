/** The state of a machine besides its RAM, as it travels in a migration stream: versioned JSON in UTF-8. */
import type { BoardState } from './board-devices.js';
import type { HartState } from './hart.js';

const FORMAT = 'drover-machine';
const VERSION = 2;

export interface MachineSnapshot extends BoardState {
  /** Guest nanoseconds at which time stood still; decimal, to survive JSON. */
  readonly guestNs: string;
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
  const { guestNs, ramBytes, harts, uart, plic, finisher, htif, rtc, watchdog, virtio } = read;
  if (!/^\d{1,19}$/.test(String(guestNs))) throw new RangeError(`machine state: guestNs is ${String(guestNs)}`);
  if (!Array.isArray(harts)) throw new RangeError('machine state: harts is not a list');
  if (!Array.isArray(virtio) || !virtio.every(isObject)) throw new RangeError('machine state: virtio is not a list');
  const absent = Object.entries({ uart, plic, finisher, htif, rtc, watchdog }).find(([, state]) => !isObject(state));
  if (absent) throw new RangeError(`machine state: ${absent[0]} is missing`);
  return { guestNs, ramBytes, harts, uart, plic, finisher, htif, rtc, watchdog, virtio } as unknown as MachineSnapshot;
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
