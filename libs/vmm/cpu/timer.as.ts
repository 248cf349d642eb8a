/**
 * The timer of S-mode (Sstc; Privileged spec, chapter "Sstc"). Its comparator is the one that the SBI sets too, and STIP
 * follows it while menvcfg.STCE is set: here at once when the guest writes, else by the hart's thread, between slices.
 */
import { H_MIP, H_STIMECMP } from '../layout';
import { STCE, environmentHas } from './privilege.as';
import { hart, setSlot, slot } from './registers.as';
import { MIP } from './slots';

@external('env', 'time')
export declare function time(): u64;

export const STIP: u64 = 1 << 5;

export function stimecmp(): u64 {
  return atomic.load<u64>(hart, H_STIMECMP);
}

export function setStimecmp(value: u64): void {
  atomic.store<u64>(hart, value, H_STIMECMP);
  updateSupervisorTimer();
}

/** To be called when menvcfg has changed, too: with STCE, mip.STIP is no longer the firmware's to write. */
export function updateSupervisorTimer(): void {
  if (environmentHas(STCE)) setSlot(MIP, slot(MIP) & ~STIP);
  if (environmentHas(STCE) && time() >= stimecmp()) atomic.or<u32>(hart, STIP as u32, H_MIP);
  else atomic.and<u32>(hart, ~(STIP as u32), H_MIP);
}
