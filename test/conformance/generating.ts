/** What generators of programs share. */
import { csrw, li } from '../vmm/assembler.js';

export const keys = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

export const EDGE_VALUES = [
  0n,
  1n,
  -1n,
  2n,
  31n,
  63n,
  64n,
  -2048n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n - 1n,
  2n ** 63n,
  2n ** 63n - 1n,
];

export const LOADS = ['lb', 'lh', 'lw', 'ld', 'lbu', 'lhu', 'lwu'] as const;

// Fields of mstatus.
export const MPRV = 1n << 17n;
export const SUM = 1n << 18n;
export const MXR = 1n << 19n;

/** PMP: all memory to all modes. Uses x10. */
export const ALL_MEMORY = [...li(10, 2n ** 54n - 1n), csrw('pmpaddr0', 10), ...li(10, 0x1fn), csrw('pmpcfg0', 10)];
