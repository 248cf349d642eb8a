/**
 * Which translations a hart must forget when another one asks it to (SBI RFENCE). One range waits at each hart; a second
 * one that comes before it has been served turns it into everything. So a sleeping hart, which nobody waits for, costs
 * one word of memory however often the others change page tables. The request itself is ATTENTION_FENCE.
 */
import { FENCE_ALL, FENCE_NONE, H_FENCE, PAGE_SHIFT, PAGE_SIZE } from './layout.js';
import { compareExchange64, exchange64, hartBlock, type Shared } from './shared.js';

/** Virtual addresses: `pages` pages from `start`, which is a page's. */
export interface FenceRange {
  readonly start: bigint;
  readonly pages: number;
}

/** More pages than that are not worth looking up one by one. */
const MAX_PAGES = 64;
const PAGE = BigInt(PAGE_SIZE);
const ALL_ONES = 2n ** 64n - 1n;

/** The range of an RFENCE call; undefined if it is everything, or as good as that (SBI, RFENCE chapter). */
export function fenceRange(start: bigint, size: bigint): FenceRange | undefined {
  if ((start === 0n && size === 0n) || size === ALL_ONES) return undefined;
  const first = start / PAGE;
  const pages = (start + size + PAGE - 1n) / PAGE - first;
  return pages <= MAX_PAGES ? { start: first * PAGE, pages: Number(pages) } : undefined;
}

/** Leaves at a hart what it must forget, undefined for everything. ATTENTION_FENCE must follow. */
export function leaveFence(shared: Shared, hart: number, range: FenceRange | undefined): void {
  const at = hartBlock(hart) + H_FENCE;
  if (range && compareExchange64(shared, at, BigInt(FENCE_NONE), pack(range))) return;
  exchange64(shared, at, BigInt(FENCE_ALL));
}

/** The hart takes what was left for it; 'nothing' if it has taken that at an earlier request already. */
export function takeFence(shared: Shared, hart: number): FenceRange | 'all' | 'nothing' {
  const left = exchange64(shared, hartBlock(hart) + H_FENCE, BigInt(FENCE_NONE));
  if (left === BigInt(FENCE_NONE)) return 'nothing';
  return left === BigInt(FENCE_ALL) ? 'all' : unpack(left);
}

/** Start and number of pages share a word: the start's low bits are free. Never FENCE_NONE, for `pages` is not 0. */
const pack = ({ start, pages }: FenceRange): bigint => BigInt.asIntN(64, start | BigInt(pages));

const unpack = (word: bigint): FenceRange => {
  const pages = BigInt.asUintN(PAGE_SHIFT, word);
  return { start: BigInt.asUintN(64, word - pages), pages: Number(pages) };
};
