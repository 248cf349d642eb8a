/**
 * Cache-block operations (Zicbom, Zicboz; Unprivileged spec, chapter "CMO"). The machine has no caches, so managing a
 * block does nothing, once it is known that it may be done; zeroing one is a store of 64 bytes.
 */
import { MANAGE, NO_ADDRESS, WRITE, accessFault, cacheWrite, inRam, isPermitted, translate } from './mmu.as';
import { CBCFE, CBIE, CBZE, MACHINE_MODE, USER, privilege } from './privilege.as';
import { slot, x } from './registers.as';
import { MENVCFG, SENVCFG } from './slots';

/** Bytes of a block; the device tree tells them to the guest. */
const BLOCK: u32 = 64;

// The operation: bits 20 to 31.
const INVAL: u32 = 0;
const CLEAN: u32 = 1;
const FLUSH: u32 = 2;
const ZERO: u32 = 4;

/** Executes an instruction of MISC-MEM; false if it is none of these, or is not enabled. */
export function executeCacheBlock(insn: u32): bool {
  const operation = insn >> 20;
  if (((insn >> 12) & 7) != 2 || (insn >> 7) & 31 || !isEnabled(operation)) return false;
  const va = x((insn >> 15) & 31);
  const access = operation == ZERO ? WRITE : MANAGE;
  const pa = translate(va, access, 1);
  if (pa == NO_ADDRESS) return true;
  const block = pa & ~((BLOCK - 1) as u64);
  if (!inRam(pa) || !isPermitted(block, BLOCK, access)) accessFault(va, access);
  else if (operation == ZERO) memory.fill(cacheWrite(va & ~((BLOCK - 1) as u64), block), 0, BLOCK);
  return true;
}

function isEnabled(operation: u32): bool {
  switch (operation) {
    case INVAL: return allowed(CBIE);
    case CLEAN: case FLUSH: return allowed(CBCFE);
    case ZERO: return allowed(CBZE);
  }
  return false;
}

function allowed(bits: u64): bool {
  const mode = privilege();
  if (mode == MACHINE_MODE) return true;
  return (slot(MENVCFG) & bits) != 0 && (mode != USER || (slot(SENVCFG) & bits) != 0);
}
