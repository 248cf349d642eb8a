/**
 * Entry of the hart module: RV64IMAFDCB, Zicsr, Zifencei, Zicbom, Zicboz; M, S and U with PMP, Sv39, Sv48, Svadu,
 * Svpbmt and Sstc. One instance for each hart, all on the VM's shared memory. Imports from `env`: memory, time,
 * mmio_read, mmio_write. What the host calls is exported here; libs/vmm/hart.ts documents it.
 */
import { H_CSR, H_F, H_INSTRET, H_PC, H_PRIV, H_RESERVATION, H_X } from '../layout';
import { fillExpansions } from './compressed.as';
import { fenceCode } from './code-pages.as';
import { forgetDecoded } from './decoded-pages.as';
import { flushAll } from './mmu.as';
import { updatePmp } from './pmp.as';
import { ADUE, MACHINE_MODE, XL64, setStatus, updateContexts } from './privilege.as';
import { bind, hart, setDiverted, setSlot } from './registers.as';
import { MENVCFG, SLOTS } from './slots';
import { forgetTranslated } from './translated.as';
import { NO_RESERVATION } from './trap.as';

export { csrExists, readCsr, writeCsr } from './csr.as';
export { run } from './execute.as';
export { nothingThere } from './memory.as';
export { flushAddress, flushWrites } from './mmu.as';
export { forgetTranslated, install, installed, setThreshold } from './translated.as';

/** Binds this instance to a hart's block. Must come before all else, with the MACHINE block filled in. */
export function init(id: i32): void {
  bind(id);
  fillExpansions();
  resume();
  forgetTranslated(); // they were in another instance's table
}

/** Own state to its reset values: registers zero, M-mode, all CSRs zero but the fixed fields. */
export function reset(): void {
  memory.fill(hart + H_X, 0, 33 * 8);
  memory.fill(hart + H_F, 0, 32 * 8);
  memory.fill(hart + H_CSR, 0, SLOTS * 8);
  store<u64>(hart, 0, H_PC);
  store<u64>(hart, 0, H_INSTRET);
  setSlot(MENVCFG, ADUE); // firmware that knows of it may choose the other way
  setStatus(XL64, MACHINE_MODE);
  resume();
}

/** Takes up state that was written into the hart's block from outside. */
export function resume(): void {
  store<u64>(hart, NO_RESERVATION, H_RESERVATION);
  setDiverted(false);
  updateContexts();
  updatePmp();
  flushAll();
  forgetDecoded();
}

/** SFENCE.VMA for all addresses and FENCE.I. */
export function fence(): void {
  flushAll();
  fenceCode();
}
