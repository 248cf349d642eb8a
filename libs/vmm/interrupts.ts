/** Interrupt lines into a hart, from any thread: bits of H_MIP in the layout of the mip CSR (Privileged spec, 3.1.9). */
import { requestAttention } from './attention.js';
import { ATTENTION_INTERRUPT, H_MIP } from './layout.js';
import { clear32, hartBlock, or32, type Shared } from './shared.js';

export const MIP_SSIP = 1 << 1;
export const MIP_MSIP = 1 << 3;
export const MIP_STIP = 1 << 5;
export const MIP_MTIP = 1 << 7;
export const MIP_SEIP = 1 << 9;
export const MIP_MEIP = 1 << 11;

/** Sets or clears pending bits; a hart for which one is new leaves WFI and its run loop to look at it. */
export function setPending(shared: Shared, hart: number, bits: number, pending: boolean): void {
  const at = hartBlock(hart) + H_MIP;
  if (!pending) clear32(shared, at, bits);
  else if ((or32(shared, at, bits) & bits) !== bits) requestAttention(shared, hart, ATTENTION_INTERRUPT);
}
