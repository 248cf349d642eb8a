/**
 * Where firmware, kernel, initial RAM disk and device tree go and what starts, as on QEMU's `virt` board. Firmware, or a
 * kernel in its place at the start of RAM, starts in M-mode on every hart. Without firmware, any other kernel is a
 * supervisor that finds the SBI, and starts on hart 0.
 */
import { buildDeviceTree, type DeviceTreeFacts } from './device-tree.js';
import { findSymbols } from './elf-symbols.js';
import type { HtifAddresses } from './devices/htif.js';
import { isElf, readElf, type Executable, type Segment } from './elf.js';
import { DEVICE_TREE_ROOM, FIRMWARE_INFO_SIZE, firmwareInfo } from './firmware.js';
import { PAGE_SIZE, RAM_BASE } from './layout.js';
import { readLinuxImage } from './linux-image.js';
import type { GuestMemory } from './memory.js';

const MIB = 2 ** 20;
/** QEMU puts a 64-bit supervisor behind the firmware, or behind so much where there is none. */
const SUPERVISOR_ALIGNMENT = 2 * MIB;
const DEVICE_TREE_ALIGNMENT = 2 * MIB;
/** How far behind the kernel's entry QEMU puts the initial RAM disk, if half the RAM is not less. */
const INITRD_DISTANCE = 128 * MIB;

export interface BootPlan {
  readonly mode: 'M' | 'S';
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly deviceTree: { readonly address: number; readonly content: Uint8Array };
  /** Address of struct fw_dynamic_info, for a2; 0 without firmware. */
  readonly firmwareInfo: number;
  /** Where a program of a test suite speaks to its host: its symbols, 0 for those that it does not have. */
  readonly htif: HtifAddresses;
}

export interface BootRequest {
  /** An ELF executable, a Linux image or a flat image. May be absent if there is firmware. */
  readonly kernel?: Uint8Array;
  /** An ELF executable or a flat image, for M-mode. */
  readonly firmware?: Uint8Array;
  /** Initial RAM disk, which the device tree tells the kernel of. */
  readonly initrd?: Uint8Array;
  /** Without `firmware`: the SBI is built in, or absent (`none`): then the kernel starts in M-mode wherever it lies. */
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
  const ram = { from: RAM_BASE, to: RAM_BASE + memory.ramBytes };
  const firmware = request.firmware && readImage(request.firmware, RAM_BASE);
  const kernel = request.kernel && readKernel(request.kernel, bios, firmware);
  const started = firmware ?? kernel;
  if (!started) throw new Error('there is neither kernel nor firmware: name one');
  const images = [...(firmware?.segments ?? []), ...(kernel?.segments ?? [])];
  checkPlaces(images, ram);
  const imagesEnd = endOf(images);
  const initrd = request.initrd && placeInitrd(request.initrd, (kernel ?? started).entry, imagesEnd, ram);

  const facts = { ramBytes: memory.ramBytes, harts: memory.harts, bootargs, ...(rngSeed && { rngSeed }), ...board };
  const content = buildDeviceTree({ ...facts, ...(initrd && { initrd: { from: initrd.address, size: initrd.size } }) });
  const taken = firmware ? content.length + DEVICE_TREE_ROOM : content.length;
  const loadedEnd = initrd ? Math.max(imagesEnd, initrd.address + initrd.size) : imagesEnd;
  const needed = firmware ? loadedEnd + FIRMWARE_INFO_SIZE : loadedEnd;
  const aligned = alignDown(ram.to - taken, DEVICE_TREE_ALIGNMENT);
  const address = aligned >= needed ? aligned : alignDown(ram.to - taken, 8);
  if (address < needed) {
    throw new Error(`kernel${initrd ? ', initrd' : ''} and device tree do not fit into RAM: give the VM more memory`);
  }

  const atStart = images.some((segment) => segment.address === RAM_BASE);
  const info = firmware && dataSegment(address - FIRMWARE_INFO_SIZE, firmwareInfo(kernel?.entry ?? 0));
  return {
    mode: bios === 'none' || atStart ? 'M' : 'S',
    entry: started.entry,
    segments: [...images, ...(initrd ? [initrd] : []), ...(info ? [info] : [])],
    deviceTree: { address, content },
    firmwareInfo: info?.address ?? 0,
    htif: { tohost: 0, fromhost: 0, ...findSymbols(request.kernel ?? request.firmware!, ['tohost', 'fromhost']) },
  };
}

/** An ELF executable, or a flat image for `base`. */
function readImage(file: Uint8Array, base: number): Executable {
  return isElf(file) ? readElf(file) : { entry: base, segments: [dataSegment(base, file)] };
}

function readKernel(file: Uint8Array, bios: BootRequest['bios'], firmware: Executable | undefined): Executable {
  const behind = firmware ? endOf(firmware.segments) : RAM_BASE + 1;
  if (firmware || isElf(file)) return readImage(file, alignUp(behind, SUPERVISOR_ALIGNMENT));
  if (bios === 'none') return readImage(file, RAM_BASE);
  const linux = readLinuxImage(file);
  const entry = linux ? RAM_BASE + linux.textOffset : alignUp(behind, SUPERVISOR_ALIGNMENT);
  return { entry, segments: [{ address: entry, content: file, size: linux?.imageSize ?? file.length }] };
}

const dataSegment = (address: number, content: Uint8Array): Segment => ({ address, content, size: content.length });

const endOf = (segments: readonly Segment[]): number =>
  Math.max(...segments.map(({ address, size }) => address + size));

/** Throws unless all segments lie in RAM and none over another. */
function checkPlaces(segments: readonly Segment[], ram: Range): void {
  const places = segments.map(({ address, size }) => ({ from: address, to: address + size }));
  const outside = places.find(({ from, to }) => from < ram.from || to > ram.to);
  if (outside) {
    throw new Error(
      `segment ${range(outside)} lies outside RAM, which is ${range(ram)}: give the VM more memory or link it elsewhere`,
    );
  }
  const sorted = places.toSorted((a, b) => a.from - b.from);
  const over = sorted.findIndex(({ to }, index) => to > (sorted[index + 1]?.from ?? to));
  if (over >= 0) {
    throw new Error(`segments ${range(sorted[over]!)} and ${range(sorted[over + 1]!)} overlap: link one elsewhere`);
  }
}

/** Where QEMU puts it (hw/riscv/boot.c, riscv_load_initrd), or right behind a kernel that reaches further than that. */
function placeInitrd(content: Uint8Array, entry: number, kernelEnd: number, ram: Range): Segment {
  const usual = entry + Math.min((ram.to - ram.from) / 2, INITRD_DISTANCE);
  const address = usual >= kernelEnd ? usual : alignUp(kernelEnd, PAGE_SIZE);
  if (address + content.length > ram.to) {
    const where = range({ from: address, to: address + content.length });
    throw new Error(`initrd ${where} lies outside RAM, which is ${range(ram)}: give the VM more memory`);
  }
  return dataSegment(address, content);
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

const alignUp = (address: number, alignment: number): number => Math.ceil(address / alignment) * alignment;
