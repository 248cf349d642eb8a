/**
 * mcycle, minstret and mcountinhibit (Privileged spec, 3.1.10 to 3.1.12). A cycle is an instruction here: both count
 * along with H_INSTRET, each from an offset of its own. While a counter is inhibited, its slot holds its value itself.
 */
import { H_INSTRET } from '../layout';
import { hart, setSlot, slot } from './registers.as';
import { MCOUNTINHIBIT, MCYCLE_OFFSET, MINSTRET_OFFSET } from './slots';

/** Bits of mcountinhibit: mcycle and minstret. There is none for time, and the other counters stand still. */
const CY: u64 = 1;
const IR: u64 = 4;

@inline
function executed(): u64 {
  return load<u64>(hart, H_INSTRET);
}

@inline
function isInhibited(bit: u64): bool {
  return (slot(MCOUNTINHIBIT) & bit) != 0;
}

export function mcycle(): u64 {
  return slot(MCYCLE_OFFSET) + (isInhibited(CY) ? 0 : executed());
}

export function minstret(): u64 {
  return slot(MINSTRET_OFFSET) + (isInhibited(IR) ? 0 : executed());
}

export function setMcycle(value: u64): void {
  setSlot(MCYCLE_OFFSET, value - (isInhibited(CY) ? 0 : executed()));
}

/** The write comes after its own instruction has been counted, as it were: that adds nothing to what was written. */
export function setMinstret(value: u64): void {
  setSlot(MINSTRET_OFFSET, value - (isInhibited(IR) ? 0 : executed() + 1));
}

export function setMcountinhibit(value: u64): void {
  const cycle = mcycle();
  const instret = minstret();
  setSlot(MCOUNTINHIBIT, value & (CY | IR));
  setMcycle(cycle);
  setSlot(MINSTRET_OFFSET, instret - (isInhibited(IR) ? 0 : executed()));
}
