/** A guest's console: its output is a file, its input a FIFO. Both live on while nobody looks. */
import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface ConsoleOutput {
  /** Bytes since the process began; `next` is where to go on. */
  readonly offset: number;
  readonly next: number;
  readonly text: string;
}

/** Of its output the last one or two pieces of this size are kept. */
export const PIECE_BYTES = 8 * 2 ** 20;
const BLOCK_BYTES = 512; // of st_blocks: stat(2)

/** The first byte that is kept of so much output; it follows from the size alone, so that whoever reads knows it. */
export const firstKeptByte = (size: number, pieceBytes = PIECE_BYTES): number =>
  Math.max(0, Math.floor(size / pieceBytes) - 1) * pieceBytes;

/**
 * Gives the room of old output back to the file system: a hole takes its place, so offsets stay what they were, and the
 * process that writes notices nothing (fallocate(2), FALLOC_FL_PUNCH_HOLE). Throws where the file system has no holes.
 */
export async function trimConsole(file: string, pieceBytes = PIECE_BYTES): Promise<void> {
  const { size, blocks } = await stat(file);
  const first = firstKeptByte(size, pieceBytes);
  const isTrimmed = blocks * BLOCK_BYTES <= size - first + pieceBytes / 2;
  if (first === 0 || isTrimmed) return;
  await promisify(execFile)('fallocate', ['--punch-hole', '--offset', '0', '--length', String(first), file]);
}

/** Output from `offset` on, or from the first that is kept, at most `maxBytes`; ends before a character whose bytes have not all come yet. */
export async function readConsole(file: string, offset: number, maxBytes: number): Promise<ConsoleOutput> {
  const descriptor = await open(file, 'r');
  try {
    const { size } = await descriptor.stat();
    const start = Math.min(Math.max(offset, firstKeptByte(size)), size);
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
