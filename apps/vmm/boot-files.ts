/** The files that a VM starts from: read, and unpacked where they are compressed. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { BootRequest } from '#vmm';
import type { Options } from './options.js';
import { UsageError } from './usage-error.js';

const RNG_SEED_BYTES = 32;

/** Reads them anew at each call; undefined without -kernel and -bios FILE. The call throws a UsageError for a file that is of no use. */
export function bootFrom({ kernel, initrd, bios, append }: Options): (() => BootRequest) | undefined {
  const firmware = typeof bios === 'string' ? undefined : bios.file;
  if (kernel === undefined && firmware === undefined) return undefined;
  return () => ({
    ...(kernel !== undefined && { kernel: inOption('kernel', kernel, () => unpackKernel(readFileSync(kernel))) }),
    ...(firmware !== undefined && { firmware: inOption('bios', firmware, () => readFileSync(firmware)) }),
    ...(initrd !== undefined && { initrd: inOption('initrd', initrd, () => readFileSync(initrd)) }),
    bios: bios === 'none' ? bios : 'sbi',
    bootargs: append,
    rngSeed: randomBytes(RNG_SEED_BYTES),
  });
}

function inOption<T>(option: string, file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`-${option} ${file}: ${(error as Error).message}`);
  }
}

/**
 * The kernel inside a gzip file (Image.gz) or an EFI zboot image (vmlinuz.efi; Linux,
 * drivers/firmware/efi/libstub/zboot-header.S); anything else as it is. Throws an Error if it cannot be unpacked.
 */
export function unpackKernel(file: Buffer): Buffer {
  if (isGzip(file)) return gunzip(file);
  if (file.length < 64 || file.readUInt32LE(4) !== ZBOOT_MAGIC) return file;
  const [from, size] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  const compression = file.toString('latin1', 24, 56).split('\0')[0]!;
  if (compression !== 'gzip') {
    throw new Error(`EFI zboot image is compressed with ${compression}, only gzip is known: give the unpacked Image`);
  }
  if (from + size > file.length) throw new Error('EFI zboot image is cut off');
  return gunzip(file.subarray(from, from + size));
}

/** "zimg", little-endian. */
const ZBOOT_MAGIC = 0x676d_697a;

const isGzip = (file: Buffer): boolean => file[0] === 0x1f && file[1] === 0x8b;

function gunzip(content: Buffer): Buffer {
  try {
    return gunzipSync(content);
  } catch (error) {
    throw new Error(`compressed kernel cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
}
