/**
 * Shared WebAssembly memories. Those with addresses of 32 bits end at 4 GiB; V8 has those with 64 bits from Node.js 24 on,
 * and checks every access to them, so only guests that need one get one. Code for a memory is compiled for its addresses:
 * AssemblyScript twice (tools/build.mjs), translated code as its VM needs it.
 */
export type AddressType = 'i32' | 'i64';

/** The most bytes of a memory: all 32-bit addresses; what V8 allows (src/wasm/wasm-limits.h). */
const MOST_BYTES: Record<AddressType, number> = { i32: 2 ** 32, i64: 2 ** 34 };
const WASM_PAGE = 65_536;

/** All zero, and as long as it will ever be. Throws a RangeError if the host has no room, or no such memories. */
export function newSharedMemory(bytes: number, addresses = addressesFor(bytes)): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  if (addresses === 'i32') return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  if (!hasLongAddresses()) throw new RangeError(`memory of ${bytes} bytes needs Node.js 24 or newer`);
  const limits = { initial: BigInt(pages), maximum: BigInt(pages) };
  return new WebAssembly.Memory({ address: 'i64', ...limits, shared: true } as never); // not in TypeScript's types yet
}

/** What the addresses of a memory of that size must be. */
export const addressesFor = (bytes: number): AddressType => (bytes > MOST_BYTES.i32 ? 'i64' : 'i32');

/** A module with nothing but a shared memory of one page with 64-bit addresses. */
const LONG_ADDRESSES = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 4, 1, 7, 1, 1);

/** True if this Node.js has memories with 64-bit addresses. */
export const hasLongAddresses = (): boolean => WebAssembly.validate(LONG_ADDRESSES);

/** The most bytes that a memory can have here. */
export const mostMemoryBytes = (): number => MOST_BYTES[hasLongAddresses() ? 'i64' : 'i32'];
