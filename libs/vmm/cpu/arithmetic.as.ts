/** What WebAssembly has no instruction for: high halves of products, and division that never traps (M extension). */

export function mulhu(a: u64, b: u64): u64 {
  const aLow = a & 0xffff_ffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffff_ffff;
  const bHigh = b >> 32;
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const cross = aLow * bHigh + (middle & 0xffff_ffff);
  return aHigh * bHigh + (middle >> 32) + (cross >> 32);
}

export function mulh(a: u64, b: u64): u64 {
  return mulhsu(a, b) - ((b as i64) < 0 ? a : 0);
}

export function mulhsu(a: u64, b: u64): u64 {
  return mulhu(a, b) - ((a as i64) < 0 ? b : 0);
}

// Division by zero gives all ones and leaves the dividend; overflow gives the dividend and leaves 0 (M extension).

@inline
export function div<T>(a: T, b: T): T {
  if (b == 0) return -1 as T;
  return b == (-1 as T) ? ((0 as T) - a) as T : a / b;
}

@inline
export function rem<T>(a: T, b: T): T {
  if (b == 0) return a;
  return b == (-1 as T) ? (0 as T) : a % b;
}

@inline
export function divu<T>(a: T, b: T): T {
  return b == 0 ? ~(0 as T) : a / b;
}

@inline
export function remu<T>(a: T, b: T): T {
  return b == 0 ? a : a % b;
}
