/** Reads ELF64 executables for RISC-V (System V ABI, chapter 4 and 5; RISC-V ELF psABI). */
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const EXECUTABLE = 2;
const SHARED_OBJECT = 3;
const MACHINE_RISCV = 243;
const LOAD = 1;

export interface Segment {
  /** Guest-physical address. */
  readonly address: number;
  readonly content: Uint8Array;
  /** Bytes in memory; what lies behind the content is zero. */
  readonly size: number;
}

export interface Executable {
  /** Physical address of the first instruction. */
  readonly entry: number;
  readonly segments: readonly Segment[];
}

/** As a file has it: its segments have virtual addresses too, where they are used once translation is on. */
export interface ElfFile extends Executable {
  readonly segments: readonly (Segment & { readonly virtual: bigint })[];
}

export const isElf = (file: Uint8Array): boolean =>
  file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;

/** The loadable segments at their physical addresses. Throws an Error that says what is wrong with the file. */
export function readElf(file: Uint8Array): ElfFile {
  if (!isElf(file)) throw new Error('not an ELF file');
  if (file.length < HEADER_SIZE) throw new Error(`ELF header is cut off after ${file.length} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN) throw new Error('ELF file is not 64-bit little-endian');
  if (view.getUint16(18, true) !== MACHINE_RISCV) throw new Error('ELF file is not for RISC-V');
  const type = view.getUint16(16, true);
  if (type !== EXECUTABLE && type !== SHARED_OBJECT) throw new Error('ELF file is not an executable: link it first');

  const tableAt = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > 0 && entrySize < PROGRAM_HEADER_SIZE) throw new Error(`ELF program headers of ${entrySize} bytes`);
  if (tableAt + count * entrySize > file.length) throw new Error('ELF program headers lie outside the file');

  const loads = Array.from({ length: count }, (_, index) =>
    readSegment(file, view, tableAt + index * entrySize, index),
  );
  const segments = loads.filter((load) => load !== undefined).filter(({ size }) => size > 0);
  if (segments.length === 0) throw new Error('ELF file has no segment to load');
  const entry = view.getBigUint64(24, true); // a virtual address: a number would round it
  const physical = physicalAddress(segments, entry);
  if (physical === undefined) throw new Error(`ELF entry 0x${entry.toString(16)} lies in no segment`);
  return { entry: physical, segments };
}

/** Where a virtual address lies once the segments are loaded; undefined if in none of them. */
export function physicalAddress(segments: ElfFile['segments'], virtual: bigint): number | undefined {
  const home = segments.find(
    (segment) => virtual >= segment.virtual && virtual < segment.virtual + BigInt(segment.size),
  );
  return home && home.address + Number(virtual - home.virtual);
}

function readSegment(file: Uint8Array, view: DataView, at: number, index: number) {
  if (view.getUint32(at, true) !== LOAD) return undefined;
  const field = (offset: number) => Number(view.getBigUint64(at + offset, true));
  const [offset, address, fileSize, size] = [field(8), field(24), field(32), field(40)];
  const virtual = view.getBigUint64(at + 16, true);
  if (offset + fileSize > file.length) throw new Error(`ELF segment ${index} is cut off: the file ends before it does`);
  if (fileSize > size) throw new Error(`ELF segment ${index} is larger in the file than in memory`);
  return { address, virtual, size, content: file.subarray(offset, offset + fileSize) };
}
