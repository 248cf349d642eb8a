/** The file that a VM leaves behind: what is in it, and files that are none. */
import { closeSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contentPages } from '#migration';
import { GuestMemory, layout } from '#vmm';
import { checkpointBytes, loadPages, openCheckpoint, writeCheckpoint } from '../../apps/vmm/checkpoint-file.js';
import { codecOf, ramHash } from '../migration/support.js';

const MIB = 2 ** 20;
let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-checkpoint-'));
  path = join(folder, 'memory');
});
afterAll(() => rmSync(folder, { recursive: true }));

const memoryOf = (pages: readonly number[], ramMiB = 2) => {
  const memory = GuestMemory.create(ramMiB * MIB, 1);
  for (const page of pages) memory.bytes[layout.RAM + page * layout.PAGE_SIZE + (page % layout.PAGE_SIZE)] = 1 + page;
  return memory;
};
const write = async (memory: GuestMemory) => {
  const pages = contentPages(memory, codecOf(memory));
  await writeCheckpoint(path, memory, pages);
  return pages;
};

test('what is written is read, page by page, and only pages with content are', async () => {
  const some = fc.uniqueArray(fc.nat(255), { maxLength: 40 }); // 1 + page fits a byte
  await fc.assert(
    fc.asyncProperty(some, fc.integer({ min: 1, max: 7 }), async (numbers, partPages) => {
      const from = memoryOf(numbers);
      const written = await write(from);
      expect([...written]).toEqual(numbers.filter((page) => page < 255).toSorted((a, b) => a - b));
      expect(readFileSync(path)).toHaveLength(checkpointBytes(written.length));
      expect(existsSync(`${path}.new`)).toBe(false);

      const to = memoryOf([]);
      const checkpoint = openCheckpoint(path, to);
      expect(checkpoint.pages).toEqual(written);
      for (let at = 0; at < written.length; at += partPages)
        loadPages(to, checkpoint, at, written.slice(at, at + partPages));
      closeSync(checkpoint.fd);
      expect(ramHash(to)).toBe(ramHash(from));
    }),
    { numRuns: 50 },
  );
});

test.each([
  ['of other RAM', (bytes: Buffer) => bytes, 1, 'it is of 2097152 bytes of RAM, here are 1048576'],
  ['without its end', (bytes: Buffer) => bytes.subarray(0, -1), 2, 'not complete'],
  ['without its header', (bytes: Buffer) => bytes.subarray(0, 10), 2, 'not complete'],
  ['of another version', (bytes: Buffer) => bytes.fill(9, 8, 12), 2, 'no checkpoint of this version'],
  ['that is something else', () => Buffer.alloc(99_999, 'x'), 2, 'no checkpoint of this version'],
  ['with more pages than there are', (bytes: Buffer) => bytes.fill(0xff, 12, 16), 2, 'not complete'],
  ['with a page twice', (bytes: Buffer) => bytes.copyWithin(24, 28, 32), 2, 'its list of pages is damaged'],
  ['with a page beyond RAM', (bytes: Buffer) => bytes.fill(0xff, 28, 32), 2, 'its list of pages is damaged'],
])('a file %s is refused', async (_, spoil, ramMiB, complaint) => {
  await write(memoryOf([3, 9]));
  writeFileSync(path, spoil(readFileSync(path)));
  expect(() => openCheckpoint(path, memoryOf([], ramMiB))).toThrow(complaint);
});

test('where nothing can be written, nothing is left', async () => {
  const nowhere = join(folder, 'missing', 'memory');
  await expect(writeCheckpoint(nowhere, memoryOf([1]), Uint32Array.of(1))).rejects.toThrow('ENOENT');
});
