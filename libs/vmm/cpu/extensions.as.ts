/** Instructions that the switch of the run loop does not know: which extension has them. */

/**
 * Executes one such instruction; H_PC points to it. False if no extension has it: it is illegal, and nothing happened.
 * If it trapped, `diverted` is set.
 */
export function executeExtension(insn: u32): bool {
  switch ((insn >> 2) & 0x1f) {
  }
  return false;
}
