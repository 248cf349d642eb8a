/** Connections and disks in memory, for tests. */
import type { NbdExport } from './export.js';
import type { NbdStream } from './stream.js';
import type { Extent } from './wire.js';

export const SIZE = 65_536;
export const BLOCK = 512;

/** Two ends of a connection; each write arrives in pieces of at most `pieceBytes`. */
export function connection(pieceBytes = Infinity): [NbdStream, NbdStream] {
  const pipe = () => {
    const chunks: Uint8Array[] = [];
    let wake = () => {};
    let ended = false;
    async function* input() {
      for (;;) {
        if (chunks.length > 0) yield chunks.shift()!;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    const push = (bytes: Uint8Array) => {
      for (let at = 0; at < bytes.length; at += pieceBytes) chunks.push(bytes.slice(at, at + pieceBytes));
      wake();
    };
    const end = () => {
      ended = true;
      wake();
    };
    return { input: input(), push, end };
  };
  const [there, back] = [pipe(), pipe()];
  const close = () => {
    there.end();
    back.end();
  };
  const side = (from: typeof there, to: typeof there): NbdStream => ({
    input: from.input,
    write: async (...parts) => parts.forEach((part) => to.push(part)),
    close,
  });
  return [side(back, there), side(there, back)];
}

/** A disk in memory that knows which of its blocks are holes. */
export class MemoryDisk implements NbdExport {
  readonly isListed: boolean = true;
  isReadOnly = false;
  readonly sizeBytes = SIZE;
  readonly bytes = new Uint8Array(SIZE);
  readonly holes = new Set<number>(Array.from({ length: SIZE / BLOCK }, (_, block) => block));
  flushes = 0;
  failWith: Error | undefined;

  constructor(readonly name = 'disk') {}

  async read(offset: number, into: Uint8Array) {
    if (this.failWith) throw this.failWith;
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, bytes: Uint8Array) {
    if (this.failWith) throw this.failWith;
    this.bytes.set(bytes, offset);
    for (const block of this.blocks(offset, bytes.length)) this.holes.delete(block);
  }

  async flush() {
    this.flushes++;
  }

  async trim(offset: number, size: number) {
    await this.writeZeroes(offset, size, true);
  }

  async writeZeroes(offset: number, size: number, mayUnmap: boolean) {
    this.bytes.fill(0, offset, offset + size);
    for (const block of this.blocks(offset, size)) {
      if (!mayUnmap) this.holes.delete(block);
      else if (block * BLOCK >= offset && (block + 1) * BLOCK <= offset + size) this.holes.add(block);
    }
  }

  async extents(offset: number, size: number): Promise<Extent[]> {
    return this.blocks(offset, size).map((block) => {
      const isHole = this.holes.has(block);
      const sizeBytes = Math.min(offset + size, (block + 1) * BLOCK) - Math.max(offset, block * BLOCK);
      return { sizeBytes, isHole, isZero: isHole };
    });
  }

  private blocks(offset: number, size: number): number[] {
    const first = Math.floor(offset / BLOCK);
    return Array.from({ length: Math.ceil((offset + size) / BLOCK) - first }, (_, index) => first + index);
  }
}
