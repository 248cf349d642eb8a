/** Operands for floating point: the edges of each format, numbers close to each other, and any bits at all. */
import { type Arbitrary, bigInt, constantFrom, integer, oneof, tuple } from 'fast-check';
import type { Format } from './float-assembler.js';
import { EDGES } from './float-edges.js';

const FRACTION_BITS = { s: 23, d: 52 } as const;
const BIAS = { s: 127, d: 1023 } as const;

/** Numbers of moderate size with few digits, so that sums and products are exact, halfway or nearly so. */
function sparse(format: Format): Arbitrary<bigint> {
  const bits = FRACTION_BITS[format];
  const digit = integer({ min: 0, max: bits - 1 }).map((place) => 1n << BigInt(place));
  const fields = tuple(integer({ min: 0, max: 1 }), integer({ min: -bits - 3, max: bits + 3 }), digit, digit);
  return fields.map(([sign, exponent, x, y]) => {
    const field = BigInt(BIAS[format] + exponent) | BigInt(sign * (2 * BIAS[format] + 2));
    return (field << BigInt(bits)) | ((x - y) & ((1n << BigInt(bits)) - 1n));
  });
}

/** Bits of a number, or of none. */
export function operand(format: Format): Arbitrary<bigint> {
  const any = bigInt({ min: 0n, max: format === 's' ? 2n ** 32n - 1n : 2n ** 64n - 1n });
  return oneof(constantFrom(...EDGES[format]), sparse(format), any);
}
