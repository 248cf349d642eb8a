/** The memory map and interrupt sources of the board, as on QEMU's `virt` (hw/riscv/virt.c). */
export const BOARD = {
  finisher: { base: 0x10_0000, size: 0x1000 },
  clint: { base: 0x200_0000, size: 0x1_0000 },
  plic: { base: 0xc00_0000, size: 0x60_0000 },
  uart: { base: 0x1000_0000, size: 0x100, interrupt: 10 },
} as const;
