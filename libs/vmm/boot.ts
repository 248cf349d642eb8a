/**
 * Where kernel, initial RAM disk and device tree go and how the kernel starts, as on QEMU's `virt` board: an image at the
 * start of RAM takes the firmware's place and starts in M-mode on every hart; any other is a supervisor that finds the
 * SBI, and starts on hart 0.
 */
import { buildDeviceTree, type DeviceTreeFacts } from './device-tree.js';
import { isElf, readElf, type Executable, type Segment } from './elf.js';
import { PAGE_SIZE, RAM_BASE } from './layout.js';
import { readLinuxImage } from './linux-image.js';
import type { GuestMemory } from './memory.js';

const MIB = 2 ** 20;
/** Where QEMU puts a 64-bit supervisor: behind 2 MiB for the firmware. */
const SUPERVISOR_BASE = RAM_BASE + 2 * MIB;
const DEVICE_TREE_ALIGNMENT = 2 * MIB;
/** How far behind the kernel's entry QEMU puts the initial RAM disk, if half the RAM is not less. */
const INITRD_DISTANCE = 128 * MIB;

export interface BootPlan {
  readonly mode: 'M' | 'S';
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly deviceTree: { readonly address: number; readonly content: Uint8Array };
}

export interface BootRequest {
  /** An ELF executable, a Linux image or a flat image. */
  readonly kernel: Uint8Array;
  /** Initial RAM disk, which the device tree tells the kernel of. */
  readonly initrd?: Uint8Array;
  /** `none`: there is no firmware, the kernel starts in M-mode wherever it lies. */
  readonly bios: 'none' | 'sbi';
  readonly bootargs: string;
  /** Randomness for the guest's first use, new at each start. */
  readonly rngSeed?: Uint8Array;
}

/** What the device tree tells beside the boot request and the memory. */
export type BoardFacts = Pick<DeviceTreeFacts, 'virtioDevices'>;

/** Decides; throws an Error with the reason if what is to be loaded does not fit into RAM. */
export function planBoot(request: BootRequest, memory: GuestMemory, board: BoardFacts): BootPlan {
  const { bios, bootargs, rngSeed } = request;
  const kernel = readKernel(request);
  const ram = { from: RAM_BASE, to: RAM_BASE + memory.ramBytes };
  const outside = kernel.segments.find(({ address, size }) => !memory.isRam(address, size));
  if (outside) {
    const where = range({ from: outside.address, to: outside.address + outside.size });
    throw new Error(
      `segment ${where} lies outside RAM, which is ${range(ram)}: give the VM more memory or link it elsewhere`,
    );
  }
  const kernelEnd = Math.max(...kernel.segments.map(({ address, size }) => address + size));
  const initrd = request.initrd && placeInitrd(request.initrd, kernel.entry, kernelEnd, ram);

  const facts = { ramBytes: memory.ramBytes, harts: memory.harts, bootargs, ...(rngSeed && { rngSeed }), ...board };
  const content = buildDeviceTree({ ...facts, ...(initrd && { initrd: { from: initrd.address, size: initrd.size } }) });
  const loadedEnd = initrd ? Math.max(kernelEnd, initrd.address + initrd.size) : kernelEnd;
  const aligned = alignDown(ram.to - content.length, DEVICE_TREE_ALIGNMENT);
  const address = aligned >= loadedEnd ? aligned : alignDown(ram.to - content.length, 8);
  if (address < loadedEnd) {
    throw new Error(`kernel${initrd ? ', initrd' : ''} and device tree do not fit into RAM: give the VM more memory`);
  }

  const atStart = kernel.segments.some((segment) => segment.address === RAM_BASE);
  const mode = bios === 'none' || atStart ? 'M' : 'S';
  const segments = initrd ? [...kernel.segments, initrd] : kernel.segments;
  return { mode, entry: kernel.entry, segments, deviceTree: { address, content } };
}

function readKernel({ kernel, bios }: BootRequest): Executable {
  if (isElf(kernel)) return readElf(kernel);
  const linux = bios === 'none' ? undefined : readLinuxImage(kernel);
  const entry = linux ? RAM_BASE + linux.textOffset : bios === 'none' ? RAM_BASE : SUPERVISOR_BASE;
  return { entry, segments: [{ address: entry, content: kernel, size: linux?.imageSize ?? kernel.length }] };
}

/** Where QEMU puts it (hw/riscv/boot.c, riscv_load_initrd), or right behind a kernel that reaches further than that. */
function placeInitrd(content: Uint8Array, entry: number, kernelEnd: number, ram: Range): Segment {
  const usual = entry + Math.min((ram.to - ram.from) / 2, INITRD_DISTANCE);
  const address = usual >= kernelEnd ? usual : Math.ceil(kernelEnd / PAGE_SIZE) * PAGE_SIZE;
  if (address + content.length > ram.to) {
    const where = range({ from: address, to: address + content.length });
    throw new Error(`initrd ${where} lies outside RAM, which is ${range(ram)}: give the VM more memory`);
  }
  return { address, content, size: content.length };
}

/** Writes what was planned into RAM. */
export function loadImages({ segments, deviceTree }: BootPlan, memory: GuestMemory): void {
  for (const { address, content, size } of segments) {
    memory.writeBytes(address, content);
    memory.fill(address + content.length, size - content.length, 0);
  }
  memory.writeBytes(deviceTree.address, deviceTree.content);
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const range = ({ from, to }: Range): string => `0x${from.toString(16)}..0x${to.toString(16)}`;

const alignDown = (address: number, alignment: number): number => Math.floor(address / alignment) * alignment;
