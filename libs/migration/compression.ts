/**
 * Batches of pages, compressed by a pool of threads in the place where they lie. The payload of a COMPRESSED frame:
 *
 *     u32 method (its place in COMPRESSION_METHODS) | u32 bytes of the batch | the compressed batch
 */
import type { GuestMemory } from '#vmm';
import { MigrationError } from './errors.js';
import { COMPRESSED_FRAME, MAX_PAYLOAD_BYTES, RAM_FRAME } from './protocol.js';
import { COMPRESSION_METHODS, type CompressionMethod, type Compressor, type Compressors } from './compressors.js';

/** May change while the migration runs. */
export interface CompressionParameters {
  readonly method: CompressionMethod;
  readonly level: number;
  readonly threads: number;
}

/** One batch, in the VM's memory. */
export interface CompressionJob {
  readonly at: number;
  readonly bytes: number;
  readonly method: CompressionMethod;
  readonly level: number;
}

/** Threads that do `compressInPlace`. */
export interface CompressorPool {
  setThreads(threads: number): void;
  /** Whether a thread would begin at once. */
  readonly isFree: boolean;
  /** See compressInPlace. */
  run(job: CompressionJob): Promise<number>;
  close(): void;
}

/** In QEMU's words (qapi/migration.json, CompressionStats). Counted from the start of the migration. */
export interface CompressionFigures {
  /** Pages of batches that became smaller, zero pages not counted. */
  readonly pages: number;
  /** How often no thread was free for a batch. */
  readonly busy: number;
  readonly compressedBytes: number;
  /** In the latest pass: times that no thread was free by batches, and bytes before by bytes after. */
  readonly busyRate: number;
  readonly compressionRate: number;
}

const HEADER_BYTES = 8;
const NOTHING = { pages: 0, busy: 0, batches: 0, plainBytes: 0, compressedBytes: 0 };

/** Compresses the batch where it lies; returns what it comes to then, or 0 if it would not become smaller. */
export function compressInPlace(
  memory: GuestMemory,
  compressor: Compressor,
  { at, bytes, method, level }: CompressionJob,
): number {
  const compressed = compressor.compress(memory.bytes.subarray(at, at + bytes), level);
  if (HEADER_BYTES + compressed.length >= bytes) return 0;
  memory.view.setUint32(at, COMPRESSION_METHODS.indexOf(method), true);
  memory.view.setUint32(at + 4, bytes, true);
  memory.bytes.set(compressed, at + HEADER_BYTES);
  return HEADER_BYTES + compressed.length;
}

/** Decompresses the payload of a COMPRESSED frame to `to`; returns the batch's bytes. Throws MigrationError `malformed`. */
export function decompressBatch(
  memory: GuestMemory,
  compressors: Compressors,
  payload: number,
  bytes: number,
  to: number,
): number {
  const method = bytes < HEADER_BYTES ? undefined : COMPRESSION_METHODS[memory.view.getUint32(payload, true)];
  if (!method) throw new MigrationError('malformed', 'pages that are compressed by an unknown method');
  const expected = memory.view.getUint32(payload + 4, true);
  try {
    const compressed = memory.bytes.slice(payload + HEADER_BYTES, payload + bytes);
    const batch = compressors[method].decompress(compressed, MAX_PAYLOAD_BYTES);
    if (batch.length !== expected) throw new Error(`${batch.length} bytes instead of ${expected}`);
    memory.bytes.set(batch, to);
    return expected;
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError('malformed', `a batch of pages cannot be decompressed (${method}): ${text}`, { cause });
  }
}

export class Compression {
  private parameters: CompressionParameters | null = null;
  private pool: CompressorPool | null = null;
  private readonly counts = { ...NOTHING };
  private atPass = NOTHING;
  private rates = { busyRate: 0, compressionRate: 0 };

  constructor(private readonly newPool: () => CompressorPool) {}

  get isOn(): boolean {
    return this.parameters !== null;
  }

  /** null = off, for batches from now on. */
  set(parameters: CompressionParameters | null): void {
    this.parameters = parameters;
    if (!parameters) return;
    this.pool ??= this.newPool();
    this.pool.setThreads(parameters.threads);
  }

  /** Compresses the batch at `at`, which has that many pages with content; gives its frame's type and what it comes to. */
  async compress(at: number, bytes: number, pages: number): Promise<{ type: number; bytes: number }> {
    const { pool, parameters, counts } = this;
    counts.batches += 1;
    if (!pool!.isFree) counts.busy += 1;
    const { method, level } = parameters!;
    const compressedBytes = await pool!.run({ at, bytes, method, level });
    if (compressedBytes === 0) return { type: RAM_FRAME, bytes };
    counts.pages += pages;
    counts.plainBytes += bytes;
    counts.compressedBytes += compressedBytes;
    return { type: COMPRESSED_FRAME, bytes: compressedBytes };
  }

  /** A pass has ended. */
  passed(): void {
    const { counts, atPass } = this;
    const compressedBytes = counts.compressedBytes - atPass.compressedBytes;
    const batches = counts.batches - atPass.batches;
    this.rates = {
      busyRate: batches > 0 ? (counts.busy - atPass.busy) / batches : 0,
      compressionRate: compressedBytes > 0 ? (counts.plainBytes - atPass.plainBytes) / compressedBytes : 0,
    };
    this.atPass = { ...counts };
  }

  close(): void {
    this.pool?.close();
  }

  /** null if it was never on. */
  get figures(): CompressionFigures | null {
    if (!this.pool) return null;
    const { pages, busy, compressedBytes } = this.counts;
    return { pages, busy, compressedBytes, ...this.rates };
  }
}
