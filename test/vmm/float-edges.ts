/** Bits of numbers at the edges of each format. */
import type { Format } from './float-assembler.js';

/** Zeros, subnormal and normal ends, one and its neighbours, infinities, quiet and signalling NaNs. */
export const EDGES: Record<Format, readonly bigint[]> = {
  s: withSigns(0x8000_0000n, [
    0n,
    1n,
    2n,
    0x7f_fffen,
    0x7f_ffffn,
    0x80_0000n,
    0x80_0001n,
    0x3f7f_ffffn,
    0x3f80_0000n,
    0x3f80_0001n,
    0x3f00_0000n,
    0x3fc0_0000n,
    0x4000_0000n,
    0x4f00_0000n,
    0x4eff_ffffn,
    0x4f80_0000n,
    0x5f00_0000n,
    0x5f80_0000n,
    0x7f7f_ffffn,
    0x7f80_0000n,
    0x7f80_0001n,
    0x7fbf_ffffn,
    0x7fc0_0000n,
    0x7fff_ffffn,
  ]),
  d: withSigns(1n << 63n, [
    0n,
    1n,
    2n,
    0xf_ffff_ffff_fffen,
    0xf_ffff_ffff_ffffn,
    0x10_0000_0000_0000n,
    0x10_0000_0000_0001n,
    0x3fef_ffff_ffff_ffffn,
    0x3ff0_0000_0000_0000n,
    0x3ff0_0000_0000_0001n,
    0x3fe0_0000_0000_0000n,
    0x3fdf_ffff_ffff_ffffn,
    0x3ff8_0000_0000_0000n,
    0x4000_0000_0000_0000n,
    0x41df_ffff_ffc0_0000n,
    0x41e0_0000_0000_0000n,
    0x41ef_ffff_ffe0_0000n,
    0x43df_ffff_ffff_ffffn,
    0x43e0_0000_0000_0000n,
    0x43f0_0000_0000_0000n,
    0x7fef_ffff_ffff_ffffn,
    0x7ff0_0000_0000_0000n,
    0x7ff0_0000_0000_0001n,
    0x7ff7_ffff_ffff_ffffn,
    0x7ff8_0000_0000_0000n,
    0x7fff_ffff_ffff_ffffn,
    // Around what a single can hold: largest, half a unit above it, smallest normal and subnormal.
    0x47ef_ffff_e000_0000n,
    0x47ef_ffff_efff_ffffn,
    0x47ef_ffff_f000_0000n,
    0x3810_0000_0000_0000n,
    0x380f_ffff_ffff_ffffn,
    0x380f_ffff_f000_0000n,
    0x36a0_0000_0000_0000n,
    0x3690_0000_0000_0000n,
  ]),
};

function withSigns(sign: bigint, magnitudes: readonly bigint[]): readonly bigint[] {
  return magnitudes.flatMap((bits) => [bits, bits | sign]);
}

export const INFINITY: Record<Format, bigint> = { s: 0x7f80_0000n, d: 0x7ff0_0000_0000_0000n };
