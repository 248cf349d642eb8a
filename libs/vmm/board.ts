/** The memory map and interrupt sources of the board, as on QEMU's `virt` (hw/riscv/virt.c). */
export const BOARD = {
  finisher: { base: 0x10_0000, size: 0x1000 },
  rtc: { base: 0x10_1000, size: 0x1000, interrupt: 11 },
  /** QEMU's board has none. */
  watchdog: { base: 0x10_2000, size: 0x1000 },
  clint: { base: 0x200_0000, size: 0x1_0000 },
  plic: { base: 0xc00_0000, size: 0x60_0000 },
  /** `slots` transports, `size` apart; slot n has the interrupt that many after the first's. */
  virtio: { base: 0x1000_1000, size: 0x1000, slots: 8, interrupt: 1 },
  uart: { base: 0x1000_0000, size: 0x100, interrupt: 10 },
} as const;

/** Where the transport of a virtio device lies. */
export function virtioSlot(slot: number): { readonly base: number; readonly size: number; readonly interrupt: number } {
  const { base, size, interrupt } = BOARD.virtio;
  return { base: base + slot * size, size, interrupt: interrupt + slot };
}
