/** Control messages of a console device with several ports (virtio 1.2, section 5.3.6.2). */
import { checkFields } from '../device.js';

export const DEVICE_READY = 0;
export const DEVICE_ADD = 1;
export const PORT_READY = 3;
export const CONSOLE_PORT = 4;
export const PORT_OPEN = 6;
export const PORT_NAME = 7;

const MESSAGE_SIZE = 8;

export interface ControlMessage {
  /** Number of a port. */
  readonly id: number;
  readonly event: number;
  readonly value: number;
}

/** Undefined if these bytes are too few for a message. */
export function readMessage(bytes: Uint8Array): ControlMessage | undefined {
  if (bytes.length < MESSAGE_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { id: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) };
}

/** `name` follows a PORT_NAME, with a zero behind it. */
export function writeMessage({ id, event, value }: ControlMessage, name = ''): Uint8Array {
  const text = event === PORT_NAME ? new TextEncoder().encode(`${name}\0`) : new Uint8Array(0);
  const bytes = new Uint8Array(MESSAGE_SIZE + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  bytes.set(text, MESSAGE_SIZE);
  return bytes;
}

/** Messages that wait for a buffer of the driver. */
export class ControlBacklog {
  messages: readonly ControlMessage[] = [];

  /** Of a port's openings and closings only the last one counts, so that a host that comes and goes fills nothing. */
  add(message: ControlMessage): void {
    const isOutdated = (other: ControlMessage) =>
      message.event === PORT_OPEN && other.event === PORT_OPEN && other.id === message.id;
    this.messages = [...this.messages.filter((other) => !isOutdated(other)), message];
  }

  shift(): void {
    this.messages = this.messages.slice(1);
  }

  /** Throws a RangeError on messages that cannot be. */
  restore(messages: readonly ControlMessage[], limit: number): void {
    if (!Array.isArray(messages) || messages.length > limit) {
      throw new RangeError(`console state: control is not a list of at most ${limit} messages`);
    }
    for (const message of messages) {
      checkFields('console control', { ...message }, { id: 0xffff_ffff, event: 0xffff, value: 0xffff });
    }
    this.messages = messages;
  }
}
