/** What a few dozen pages tell of all: sizes when compressed, and of what changes in them. */
import { expect, test } from 'vitest';
import { bitmapWords, GuestMemory, layout } from '#vmm';
import { loadCompressors, PageSampler } from '#migration';
import { Random } from '../random.js';
import { codecOf } from './support.js';

const { PAGE_SIZE, RAM } = layout;
const MIB = 2 ** 20;
const PAGES = 128;

function guest() {
  const memory = GuestMemory.create(MIB, 1);
  const dirty = new Uint32Array(bitmapWords(memory));
  const page = (number: number) => memory.bytes.subarray(RAM + number * PAGE_SIZE, RAM + (number + 1) * PAGE_SIZE);
  const sampler = new PageSampler({ memory, codec: codecOf(memory), dirty, loadCompressors });
  const write = (fill: (bytes: Uint8Array, number: number) => void) => {
    for (let number = 0; number < PAGES; number++) {
      fill(page(number), number);
      dirty[number >>> 5]! |= 1 << (number & 31);
    }
  };
  return { sampler, write, dirty };
}
const random = new Random(7);
const noise = (bytes: Uint8Array) => bytes.set(random.bytes(bytes.length));

test('noise is not compressed, text is; a page of which a hundred bytes change makes a delta of about as many', async () => {
  const { sampler, write } = guest();
  expect(sampler.shares).toEqual({ compressedShare: null, deltaShare: null });
  await sampler.load();
  write(noise);
  sampler.look('zstd', 1);
  expect(sampler.shares.compressedShare).toBeGreaterThan(0.95);
  expect(sampler.shares.deltaShare).toBeNull(); // there is nothing to compare with yet
  write((bytes) => bytes.subarray(1000, 1100).forEach((byte, at) => (bytes[1000 + at] = byte ^ 0xff)));
  sampler.look('zstd', 1);
  expect(sampler.shares.deltaShare).toBeGreaterThan(100 / PAGE_SIZE);
  expect(sampler.shares.deltaShare).toBeLessThan(110 / PAGE_SIZE);

  const other = guest();
  await other.sampler.load();
  other.write((bytes, number) => bytes.fill(65 + (number % 26)));
  other.sampler.look('lz4', 1);
  expect(other.sampler.shares.compressedShare).toBeLessThan(0.1);
});

test('pages that are zero, or written by nobody, say nothing', async () => {
  const { sampler, write, dirty } = guest();
  await sampler.load();
  write((bytes) => bytes.fill(0));
  sampler.look('zstd', 1);
  write(noise);
  dirty.fill(0);
  sampler.look('zstd', 1);
  expect(sampler.shares).toEqual({ compressedShare: null, deltaShare: null });
});

test('what changes altogether is worth no delta', async () => {
  const { sampler, write } = guest();
  for (let look = 0; look < 3; look++) {
    write(noise);
    sampler.look('zstd', 1);
  }
  expect(sampler.shares).toEqual({ compressedShare: null, deltaShare: 1 });
});
