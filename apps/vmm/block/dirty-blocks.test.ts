import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BLOCK_BYTES, DirtyBlocks } from './dirty-blocks.js';

const SIZE = 20 * BLOCK_BYTES + 1536;
const range = fc
  .tuple(fc.nat({ max: SIZE - 1 }), fc.integer({ min: 1, max: 5 * BLOCK_BYTES }))
  .map(([offset, size]) => ({ offset, size: Math.min(size, SIZE - offset) }));
const step = fc.oneof(fc.record({ mark: range }), fc.record({ take: fc.integer({ min: 1, max: 4 * BLOCK_BYTES }) }));

test('what is taken is what was marked and not taken since, as whole blocks and none twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const blocks = new DirtyBlocks(SIZE);
      const model = new Set<number>();
      const bytes = () => [...model].reduce((sum, block) => sum + Math.min(BLOCK_BYTES, SIZE - block * BLOCK_BYTES), 0);
      const blocksIn = (offset: number, size: number) => {
        const first = Math.floor(offset / BLOCK_BYTES);
        return Array.from({ length: Math.ceil((offset + size) / BLOCK_BYTES) - first }, (_, index) => first + index);
      };
      for (const each of steps) {
        if ('mark' in each) {
          blocks.mark(each.mark.offset, each.mark.size);
          for (const block of blocksIn(each.mark.offset, each.mark.size)) model.add(block);
          expect(blocks.hasAll(each.mark.offset, each.mark.size)).toBe(true);
        } else {
          const taken = blocks.take(each.take);
          expect(taken === undefined).toBe(model.size === 0);
          if (!taken) continue;
          expect(taken.size).toBeLessThanOrEqual(Math.max(BLOCK_BYTES, each.take));
          expect(blocks.hasAll(taken.offset, taken.size)).toBe(false);
          for (const block of blocksIn(taken.offset, taken.size)) expect(model.delete(block)).toBe(true);
        }
        expect([blocks.bytes, blocks.isEmpty]).toEqual([bytes(), model.size === 0]);
      }
    }),
  );
});

test('every block has its turn, however often the first is marked', () => {
  const blocks = new DirtyBlocks(4 * BLOCK_BYTES);
  blocks.mark(0, 4 * BLOCK_BYTES);
  const offsets = Array.from({ length: 4 }, () => {
    const taken = blocks.take(BLOCK_BYTES)!;
    blocks.mark(0, 1);
    return taken.offset / BLOCK_BYTES;
  });
  expect(offsets).toEqual([0, 1, 2, 3]);
});
