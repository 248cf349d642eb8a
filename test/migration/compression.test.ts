/** Compressed batches, and migrations with them, alone and together with the other means. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { COMPRESSION_METHODS, compressInPlace, loadCompressors } from '#migration';
import { GuestMemory, layout } from '#vmm';
import { decompressBatch } from '../../libs/migration/compression.js';
import { connect, endMachines, EVENTUALLY, writingMachine } from './connect.js';
import { ramHash, ReceivingMachine } from './support.js';

const MIB = 2 ** 20;
const memory = GuestMemory.create(MIB, 1);
const compressors = await loadCompressors();
const [BATCH, PLAIN] = [layout.ENGINE, layout.ENGINE + 0x40_0000];

describe.each(COMPRESSION_METHODS)('%s', (method) => {
  const compress = (content: Uint8Array, level = 1) => {
    memory.bytes.set(content, BATCH);
    return compressInPlace(memory, compressors[method], { at: BATCH, bytes: content.length, method, level });
  };
  const decompress = (bytes: number) => decompressBatch(memory, compressors, BATCH, bytes, PLAIN);

  test('gives back what it was given, at any level, or leaves it alone', () => {
    const repetitive = fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 400 }))
      .map(([piece, times]) => Uint8Array.from({ length: piece.length * times }, (_, i) => piece[i % piece.length]!));
    fc.assert(
      fc.property(
        fc.oneof(repetitive, fc.uint8Array({ maxLength: 5000 })),
        fc.integer({ min: 1, max: 9 }),
        (content, level) => {
          const bytes = compress(content, level);
          expect(bytes).toBeLessThan(Math.max(1, content.length));
          if (bytes > 0) expect(decompress(bytes)).toBe(content.length);
          const at = bytes > 0 ? PLAIN : BATCH;
          expect(Buffer.from(memory.bytes.slice(at, at + content.length)).equals(content)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('what was changed on its way is an error, and so is what is too long', () => {
    const bytes = compress(new Uint8Array(100_000).fill(7));
    memory.view.setUint32(BATCH + 4, 99_999, true);
    expect(() => decompress(bytes)).toThrow(`cannot be decompressed (${method})`);
    memory.view.setUint32(BATCH, 9, true);
    expect(() => decompress(bytes)).toThrow('unknown method');
    expect(() => decompress(4)).toThrow('unknown method');
    expect(() => decompress(compress(new Uint8Array(2 * MIB)))).toThrow('cannot be decompressed');
  });
});

describe('a migration', () => {
  afterEach(endMachines);

  test('arrives exactly, with compression on, changed, off and on again, and XBZRLE on top', async () => {
    const from = await writingMachine(8, 1000, 0);
    const to = new ReceivingMachine(8);
    const lz4 = { method: 'lz4', level: 1, threads: 1 } as const;
    const { source, destination, far } = connect(from, to, { downtimeLimitMs: 0, compression: lz4 });
    const both = Promise.all([source.run(), destination.receive(far)]);
    const passes = async (more: number) => {
      const until = source.figures.iterations.at(-1)?.iteration ?? 0;
      const passed = () => expect(source.figures.iterations.at(-1)?.iteration ?? 0).toBeGreaterThan(until + more);
      await vi.waitFor(passed, EVENTUALLY);
    };
    await passes(1);
    expect(source.figures.compression!.compressionRate).toBeGreaterThan(1.5);
    source.setParameters({ compression: { method: 'zstd', level: 3, threads: 2 }, xbzrleCacheBytes: 8 * MIB });
    await passes(2);
    source.setParameters({ compression: null });
    await passes(1);
    source.setParameters({ compression: { ...lz4, method: 'zlib' }, xbzrleCacheBytes: null });
    await passes(1);
    source.setParameters({ downtimeLimitMs: 5000 });
    const [figures, outcome] = await both;
    expect(outcome).toEqual({ kind: 'running' });
    expect(figures.status).toBe('completed');
    expect(figures.compression!.pages).toBeGreaterThan(1000);
    expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
  });

  test('whose compression fails leaves the guest running, with the reason', async () => {
    const from = await writingMachine(16, 500, 1);
    const { source, destination, far } = connect(from, new ReceivingMachine(16), {
      compression: { method: 'nothing' as 'lz4', level: 1, threads: 1 },
    });
    const [figures] = await Promise.all([source.run(), destination.receive(far)]);
    expect(figures).toMatchObject({ status: 'failed', error: { code: 'machine' } });
    expect(from.running).toBe(true);
  });
});
