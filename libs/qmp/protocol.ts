/** The QEMU Machine Protocol on the wire (QEMU, docs/interop/qmp-spec.rst): the shapes of its messages. */

/** Error classes that clients may tell apart; everything else is a GenericError. */
export type QmpErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound' | 'KVMMissingCap';

/** An error that a command answers with. */
export class QmpError extends Error {
  constructor(
    readonly desc: string,
    readonly errorClass: QmpErrorClass = 'GenericError',
  ) {
    super(desc);
    this.name = 'QmpError';
  }
}

export interface QmpVersion {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  readonly package: string;
}

export interface QmpGreeting {
  readonly QMP: { readonly version: QmpVersion; readonly capabilities: readonly string[] };
}

export interface QmpTimestamp {
  readonly seconds: number;
  readonly microseconds: number;
}

export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly timestamp: QmpTimestamp;
}

export type QmpReply =
  | { readonly return: unknown; readonly id?: unknown }
  | { readonly error: { readonly class: string; readonly desc: string }; readonly id?: unknown };

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A host time as events carry it. */
export function timestamp(nowMs: number): QmpTimestamp {
  return { seconds: Math.floor(nowMs / 1000), microseconds: Math.floor((nowMs % 1000) * 1000) };
}
