import { assert, array, bigInt, boolean, integer, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { leaveFence, takeFence } from '../../libs/vmm/remote-fence.js';

const memory = GuestMemory.create(2 ** 20, 2);
const range = { start: 0xffffffd000321000n, pages: 64 };

test('a range that nobody has come before is taken as it is, once, by its hart', () => {
  leaveFence(memory, 1, range);
  expect(takeFence(memory, 0)).toBe('nothing');
  expect(takeFence(memory, 1)).toEqual(range);
  expect(takeFence(memory, 1)).toBe('nothing');
});

test('two ranges are everything, and everything stays everything', () => {
  leaveFence(memory, 0, range);
  leaveFence(memory, 0, { start: 0n, pages: 1 });
  expect(takeFence(memory, 0)).toBe('all');
  leaveFence(memory, 0, undefined);
  leaveFence(memory, 0, range);
  expect(takeFence(memory, 0)).toBe('all');
  expect(takeFence(memory, 0)).toBe('nothing');
});

const page = bigInt({ min: 0n, max: 2n ** 52n - 1n });
const left = record({ isAll: boolean(), page, pages: integer({ min: 1, max: 64 }), taken: boolean() });

test('whatever is left at a hart, what it takes covers it', () => {
  assert(
    property(array(left, { maxLength: 8 }), (steps) => {
      let owed: (bigint | 'all')[] = [];
      const take = () => {
        const fence = takeFence(memory, 0);
        const covers = (what: bigint | 'all') =>
          fence === 'all' ||
          (fence !== 'nothing' &&
            what !== 'all' &&
            fence.start <= what &&
            what < fence.start + BigInt(fence.pages * 4096));
        expect(owed.every(covers)).toBe(true);
        if (owed.length === 0) expect(fence).toBe('nothing');
        owed = [];
      };
      for (const { isAll, page: first, pages, taken } of steps) {
        const start = first << 12n;
        leaveFence(memory, 0, isAll ? undefined : { start, pages });
        owed.push(isAll ? 'all' : start + BigInt((pages - 1) * 4096));
        if (taken) take();
      }
      take();
    }),
  );
});
