/** The machines that guests find on QEMU: the same on every host, or they could not move. */

export const QEMU_ARCHITECTURES = ['riscv64', 'x86_64'] as const;
export type QemuArchitecture = (typeof QEMU_ARCHITECTURES)[number];

interface Machine {
  readonly machine: string;
  readonly cpu: string;
  /** How virtio devices are attached: virtio-net-BUS. */
  readonly bus: 'device' | 'pci';
  readonly more: readonly string[];
}

/**
 * Versioned where QEMU versions it, by the oldest that has all we need; a CPU that every host can be, with
 * all that is said of it (enforce). virtio devices keep to version 1 of their specification.
 */
export const MACHINES: Readonly<Record<QemuArchitecture, Machine>> = {
  riscv64: { machine: 'virt', cpu: 'rv64', bus: 'device', more: ['-global', 'virtio-mmio.force-legacy=false'] },
  x86_64: { machine: 'pc-q35-7.2', cpu: 'qemu64,enforce', bus: 'pci', more: [] },
};
