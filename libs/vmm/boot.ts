/**
 * Where a kernel goes and how it starts, as on QEMU's `virt` board: an image at the start of RAM takes the firmware's
 * place and starts in M-mode on every hart; any other is a supervisor that finds the SBI, and starts on hart 0.
 */
import { buildDeviceTree, type DeviceTreeFacts } from './device-tree.js';
import { isElf, readElf, type Segment } from './elf.js';
import { RAM_BASE } from './layout.js';
import type { GuestMemory } from './memory.js';

const MIB = 2 ** 20;
/** Where QEMU puts a 64-bit supervisor: behind 2 MiB for the firmware. */
const SUPERVISOR_BASE = RAM_BASE + 2 * MIB;
const DEVICE_TREE_ALIGNMENT = 2 * MIB;

export interface BootPlan {
  readonly mode: 'M' | 'S';
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly deviceTree: { readonly address: number; readonly content: Uint8Array };
}

export interface BootRequest {
  /** An ELF executable or a flat image. */
  readonly kernel: Uint8Array;
  /** `none`: there is no firmware, the kernel starts in M-mode wherever it lies. */
  readonly bios: 'none' | 'sbi';
  readonly bootargs: string;
}

/** What the device tree tells beside the boot request and the memory. */
export type BoardFacts = Pick<DeviceTreeFacts, 'virtioDevices'>;

/** Decides; throws an Error with the reason if the kernel or the device tree does not fit into RAM. */
export function planBoot({ kernel, bios, bootargs }: BootRequest, memory: GuestMemory, board: BoardFacts): BootPlan {
  const flatBase = bios === 'none' ? RAM_BASE : SUPERVISOR_BASE;
  const image = isElf(kernel)
    ? readElf(kernel)
    : { entry: flatBase, segments: [{ address: flatBase, content: kernel, size: kernel.length }] };
  const ramEnd = RAM_BASE + memory.ramBytes;
  const outside = image.segments.find(({ address, size }) => !memory.isRam(address, size));
  if (outside) {
    const range = `0x${outside.address.toString(16)}..0x${(outside.address + outside.size).toString(16)}`;
    const ram = `0x${RAM_BASE.toString(16)}..0x${ramEnd.toString(16)}`;
    throw new Error(`segment ${range} lies outside RAM, which is ${ram}: give the VM more memory or link it elsewhere`);
  }

  const content = buildDeviceTree({ ramBytes: memory.ramBytes, harts: memory.harts, bootargs, ...board });
  const kernelEnd = Math.max(...image.segments.map(({ address, size }) => address + size));
  const aligned = alignDown(ramEnd - content.length, DEVICE_TREE_ALIGNMENT);
  const address = aligned >= kernelEnd ? aligned : alignDown(ramEnd - content.length, 8);
  if (address < kernelEnd) throw new Error('kernel and device tree do not fit into RAM: give the VM more memory');

  const atStart = image.segments.some((segment) => segment.address === RAM_BASE);
  const mode = bios === 'none' || atStart ? 'M' : 'S';
  return { mode, entry: image.entry, segments: image.segments, deviceTree: { address, content } };
}

/** Writes what was planned into RAM. */
export function loadImages({ segments, deviceTree }: BootPlan, memory: GuestMemory): void {
  for (const { address, content, size } of segments) {
    memory.writeBytes(address, content);
    memory.fill(address + content.length, size - content.length, 0);
  }
  memory.writeBytes(deviceTree.address, deviceTree.content);
}

const alignDown = (address: number, alignment: number): number => Math.floor(address / alignment) * alignment;
