/** Instructions that the switch of the run loop does not know: which extension has them. */
import { executeBitManipulation } from './bit-manipulation.as';
import { executeCacheBlock } from './cache-blocks.as';

// Major opcodes, bits 2 to 6.
const MISC_MEM: u32 = 0x03;
const OP_IMM: u32 = 0x04;
const OP_IMM_32: u32 = 0x06;
const OP: u32 = 0x0c;
const OP_32: u32 = 0x0e;

/**
 * Executes one such instruction; H_PC points to it. False if no extension has it: it is illegal, and nothing happened.
 * If it trapped, `diverted` is set.
 */
export function executeExtension(insn: u32): bool {
  switch ((insn >> 2) & 0x1f) {
    case MISC_MEM: return executeCacheBlock(insn);
    case OP: case OP_IMM: case OP_32: case OP_IMM_32: return executeBitManipulation(insn);
  }
  return false;
}
