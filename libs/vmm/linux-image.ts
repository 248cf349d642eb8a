/** The header of a RISC-V Linux kernel image (Linux, Documentation/arch/riscv/boot-image-header.rst). */
const HEADER_SIZE = 64;
const TEXT_OFFSET = 8;
const IMAGE_SIZE = 16;
const FLAGS = 24;
const VERSION = 32;
const MAGIC2 = 56;
/** "RSC\x05", little-endian. */
const MAGIC2_VALUE = 0x0543_5352;
const BIG_ENDIAN = 1n;

export interface LinuxImage {
  /** Where it wants to lie, from the start of RAM. */
  readonly textOffset: number;
  /** Bytes that it uses in memory from there, beyond the end of the file too. */
  readonly imageSize: number;
}

/** What the header says, or undefined for a file that has none. Throws an Error for an image that cannot be started. */
export function readLinuxImage(file: Uint8Array): LinuxImage | undefined {
  if (file.length < HEADER_SIZE) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, HEADER_SIZE);
  if (view.getUint32(MAGIC2, true) !== MAGIC2_VALUE) return undefined;
  if (view.getBigUint64(FLAGS, true) & BIG_ENDIAN) throw new Error('Linux image is big-endian, this machine is not');
  const imageSize = Number(view.getBigUint64(IMAGE_SIZE, true));
  if (imageSize === 0) {
    const version = view.getUint32(VERSION, true);
    throw new Error(`Linux image does not tell its size in memory (header version ${version}): use a newer kernel`);
  }
  return { textOffset: Number(view.getBigUint64(TEXT_OFFSET, true)), imageSize: Math.max(imageSize, file.length) };
}
