/**
 * Access to the fields of layout.ts in a VM's shared memory, all of it atomic (sequentially consistent). `at` is an
 * address in the WebAssembly memory: MACHINE + M_..., or hartBlock(n) + H_...
 */
import { HARTS, HART_SIZE, H_WAKE } from './layout.js';

/** Views on one VM's memory; every thread makes its own. */
export interface Shared {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly dwords: BigInt64Array;
}

export const hartBlock = (hart: number): number => HARTS + hart * HART_SIZE;

export const load32 = (shared: Shared, at: number): number => Atomics.load(shared.words, at / 4);

export const store32 = (shared: Shared, at: number, value: number): void => {
  Atomics.store(shared.words, at / 4, value);
};

/** Adds and returns the value before. */
export const add32 = (shared: Shared, at: number, value: number): number => Atomics.add(shared.words, at / 4, value);

/** Sets bits and returns the value before. */
export const or32 = (shared: Shared, at: number, bits: number): number => Atomics.or(shared.words, at / 4, bits);

/** Clears bits and returns the value before. */
export const clear32 = (shared: Shared, at: number, bits: number): number => Atomics.and(shared.words, at / 4, ~bits);

export const exchange32 = (shared: Shared, at: number, value: number): number =>
  Atomics.exchange(shared.words, at / 4, value);

/** Stores `to` if the field holds `from`; true if it did. */
export const compareExchange32 = (shared: Shared, at: number, from: number, to: number): boolean =>
  Atomics.compareExchange(shared.words, at / 4, from, to) === from;

export const loadI64 = (shared: Shared, at: number): bigint => Atomics.load(shared.dwords, at / 8);

export const loadU64 = (shared: Shared, at: number): bigint => BigInt.asUintN(64, loadI64(shared, at));

export const store64 = (shared: Shared, at: number, value: bigint): void => {
  Atomics.store(shared.dwords, at / 8, value);
};

/** Stores `to` if the field holds `from`; true if it did. Signed. */
export const compareExchange64 = (shared: Shared, at: number, from: bigint, to: bigint): boolean =>
  Atomics.compareExchange(shared.dwords, at / 8, from, to) === from;

/** Signed. */
export const exchange64 = (shared: Shared, at: number, value: bigint): bigint =>
  Atomics.exchange(shared.dwords, at / 8, value);

export const add64 = (shared: Shared, at: number, value: bigint): bigint => Atomics.add(shared.dwords, at / 8, value);

export const notify = (shared: Shared, at: number): number => Atomics.notify(shared.words, at / 4);

/** Sleeps until the field is notified, at once if it no longer holds `seen`, at most `timeoutMs`. */
export const wait = (shared: Shared, at: number, seen: number, timeoutMs?: number): void => {
  Atomics.wait(shared.words, at / 4, seen, timeoutMs);
};

/** Wakes a hart from whatever it waits for; it looks around and goes back to sleep if there is nothing to do. */
export function wakeHart(shared: Shared, hart: number): void {
  const at = hartBlock(hart) + H_WAKE;
  add32(shared, at, 1);
  notify(shared, at);
}
