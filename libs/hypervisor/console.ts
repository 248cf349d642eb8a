/** A guest's console: its output is a file, its input a FIFO. Both live on while nobody looks. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

export interface ConsoleOutput {
  /** Bytes since the process began; `next` is where to go on. */
  readonly offset: number;
  readonly next: number;
  readonly text: string;
}

/** Output from `offset` on, at most `maxBytes`; ends before a character whose bytes have not all come yet. */
export async function readConsole(file: string, offset: number, maxBytes: number): Promise<ConsoleOutput> {
  const descriptor = await open(file, 'r');
  try {
    const { size } = await descriptor.stat();
    const start = Math.min(offset, size);
    const buffer = Buffer.alloc(Math.min(maxBytes, size - start));
    const { bytesRead } = await descriptor.read(buffer, 0, buffer.length, start);
    const whole = wholeCharacters(buffer.subarray(0, bytesRead));
    return { offset: start, next: start + whole.length, text: whole.toString('utf8') };
  } finally {
    await descriptor.close();
  }
}

/** The last `maxBytes` of output, from the beginning of a line if there is one in it. */
export async function readConsoleTail(file: string, maxBytes: number): Promise<string> {
  const descriptor = await open(file, 'r');
  try {
    const { size } = await descriptor.stat();
    const start = Math.max(0, size - maxBytes);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await descriptor.read(buffer, 0, buffer.length, start);
    const text = buffer.subarray(0, bytesRead).toString('utf8');
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await descriptor.close();
  }
}

/** Types into the guest's serial port. Throws if its input is full, or the process is gone. */
export function writeConsole(fifo: string, text: string): void {
  const descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

/** A FIFO, opened for both ends so that its reader never sees an end. Node.js cannot make one itself. */
export function openFifo(path: string): number {
  if (!existsSync(path)) execFileSync('mkfifo', ['-m', '600', path]);
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** Without the bytes of a character at the end that is cut off (UTF-8: 10xxxxxx follows, 11xxxxxx leads). */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
