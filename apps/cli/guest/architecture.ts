/** What differs between the guests of different architectures. */

export const ARCHITECTURES = {
  riscv64: {
    debian: 'riscv64',
    /** Below usr/lib in Debian's packages. */
    libraries: 'riscv64-linux-gnu',
    /** Where programs look for the dynamic loader. */
    loaderFolder: 'lib',
    /** How the machine's virtio devices are attached. */
    busModule: 'virtio_mmio',
  },
  x86_64: {
    debian: 'amd64',
    libraries: 'x86_64-linux-gnu',
    loaderFolder: 'lib64',
    busModule: 'virtio_pci',
  },
} as const;

export type GuestArchitecture = keyof typeof ARCHITECTURES;
export type ArchitectureFacts = (typeof ARCHITECTURES)[GuestArchitecture];
