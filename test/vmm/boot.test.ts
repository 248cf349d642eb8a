import { expect, test } from 'vitest';
import { planBoot } from '../../libs/vmm/boot.js';
import { readElf } from '../../libs/vmm/elf.js';
import { GuestMemory } from '../../libs/vmm/memory.js';

const MIB = 2 ** 20;
const memory = GuestMemory.create(16 * MIB, 1);

interface Fields {
  entry?: bigint;
  address?: bigint;
  virtual?: bigint;
  fileSize?: bigint;
  size?: bigint;
  machine?: number;
  type?: number;
}

/** An ELF file with one segment of 16 bytes. */
function elf({
  entry = 0x80000004n,
  address = 0x80000000n,
  virtual,
  fileSize = 16n,
  size = 32n,
  machine = 243,
  type = 2,
}: Fields = {}) {
  const file = new Uint8Array(64 + 56 + 16).fill(0xab, 120);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  [120n, virtual ?? address, address, fileSize, size].forEach((value, index) =>
    view.setBigUint64(72 + index * 8, value, true),
  );
  return file;
}

test('an ELF file gives its segments at physical addresses, and the entry there too', () => {
  const { entry, segments } = readElf(elf({ virtual: 0xffffffff80000000n, entry: 0xffffffff80000008n }));
  expect(entry).toBe(0x80000008);
  expect(segments).toMatchObject([{ address: 0x80000000, size: 32 }]);
  expect(segments[0]!.content).toEqual(new Uint8Array(16).fill(0xab));
});

test.each([
  ['a file that is none', Uint8Array.of(1, 2, 3), /not an ELF/],
  ['a file that ends early', elf().subarray(0, 40), /cut off/],
  ['another machine', elf({ machine: 62 }), /RISC-V/],
  ['an object file', elf({ type: 1 }), /link it/],
  ['a 32-bit file', elf().with(4, 1), /64-bit/],
  ['headers outside the file', elf().with(33, 0x10), /program headers/],
  ['a segment that is cut off', elf({ fileSize: 17n }), /segment 0 is cut off/],
  ['a segment larger in the file', elf({ size: 8n }), /segment 0 is larger/],
  ['an entry in no segment', elf({ entry: 0x90000000n }), /entry 0x90000000/],
])('%s is refused with the reason', (_what, file, reason) => {
  expect(() => readElf(file)).toThrow(reason);
});

const plan = (kernel: Uint8Array, bios: 'none' | 'sbi' = 'sbi') =>
  planBoot({ kernel, bios, bootargs: '' }, memory, { virtioDevices: 0 });

test('a kernel at the start of RAM takes the firmware’s place, any other finds the SBI', () => {
  expect(plan(elf())).toMatchObject({ mode: 'M', entry: 0x80000004 });
  expect(plan(elf({ address: 0x80200000n, entry: 0x80200000n }))).toMatchObject({ mode: 'S', entry: 0x80200000 });
  expect(plan(elf({ address: 0x80200000n, entry: 0x80200000n }), 'none')).toMatchObject({ mode: 'M' });
  expect(plan(new Uint8Array(8))).toMatchObject({ mode: 'S', entry: 0x80200000 });
  expect(plan(new Uint8Array(8), 'none')).toMatchObject({ mode: 'M', entry: 0x80000000 });
});

test('the device tree lies at the top of RAM, below 2 MiB alignment where that is free', () => {
  expect(plan(new Uint8Array(8)).deviceTree.address).toBe(0x80000000 + 14 * 2 ** 20);
  const { address, content } = plan(new Uint8Array(13.5 * 2 ** 20)).deviceTree;
  expect(address).toBeGreaterThan(0x80200000 + 13.5 * 2 ** 20);
  expect(address + content.length).toBeLessThanOrEqual(0x80000000 + 16 * 2 ** 20);
});

test('what does not fit into RAM is refused with the reason', () => {
  expect(() => plan(new Uint8Array(15 * 2 ** 20))).toThrow(/lies outside RAM/);
  expect(() => plan(new Uint8Array(14 * 2 ** 20 - 100))).toThrow(/do not fit/);
  expect(() => plan(elf({ address: 0x70000000n, entry: 0x70000000n }))).toThrow(
    /0x70000000..0x70000020 lies outside RAM/,
  );
});

const withFirmware = (firmware: Uint8Array, kernel?: Uint8Array) =>
  planBoot({ firmware, ...(kernel && { kernel }), bios: 'sbi', bootargs: '' }, memory, { virtioDevices: 0 });

test('firmware starts in M-mode at the start of RAM, a flat kernel lies behind it, and a struct tells where', () => {
  const firmware = new Uint8Array(3 * MIB).fill(1);
  const { mode, entry, segments, firmwareInfo, deviceTree } = withFirmware(firmware, new Uint8Array(8).fill(2));
  expect({ mode, entry }).toEqual({ mode: 'M', entry: 0x80000000 });
  expect(segments.map(({ address, size }) => [address, size])).toEqual([
    [0x80000000, 3 * MIB],
    [0x80400000, 8],
    [firmwareInfo, 48],
  ]);
  expect(firmwareInfo + 48).toBeLessThanOrEqual(deviceTree.address);
  const info = new BigUint64Array(segments[2]!.content.buffer);
  expect([...info]).toEqual([0x4942534fn, 2n, 0x80400000n, 1n, 0n, 0n]);
});

test('firmware may come as ELF, without a kernel, and has room to make the device tree larger', () => {
  const { mode, entry, segments, deviceTree } = withFirmware(elf());
  expect({ mode, entry }).toEqual({ mode: 'M', entry: 0x80000004 });
  expect(new BigUint64Array(segments[1]!.content.buffer)[2]).toBe(0n);
  const full = withFirmware(elf(), new Uint8Array(13.5 * MIB));
  for (const tree of [deviceTree, full.deviceTree]) {
    expect(tree.address + tree.content.length + 32 * 1024).toBeLessThan(0x80000000 + 16 * MIB);
  }
});

test('a kernel in the place of the firmware is refused', () => {
  expect(() => withFirmware(new Uint8Array(64), elf())).toThrow(
    /segments 0x80000000..0x80000040 and 0x80000000..0x80000020 overlap/,
  );
});

/** The header of a RISC-V Linux image, and 4 KiB in all. */
function linuxImage({ textOffset = 0x20_0000n, imageSize = 0x40_0000n, flags = 0n } = {}) {
  const file = new Uint8Array(4096).fill(0xcd, 64);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, textOffset, true);
  view.setBigUint64(16, imageSize, true);
  view.setBigUint64(24, flags, true);
  file.set(new TextEncoder().encode('RISCV\0\0\0RSC\x05'), 48);
  return file;
}

test('a Linux image lies where its header says, and takes the memory that it says', () => {
  expect(plan(linuxImage({ textOffset: 0x40_0000n }))).toMatchObject({
    mode: 'S',
    entry: 0x80400000,
    segments: [{ address: 0x80400000, size: 0x40_0000 }],
  });
  expect(() => plan(linuxImage({ imageSize: 0n }))).toThrow(/does not tell its size/);
  expect(() => plan(linuxImage({ flags: 1n }))).toThrow(/big-endian/);
  expect(() => plan(linuxImage({ imageSize: 0x100_0000n }))).toThrow(/lies outside RAM/);
});

const withInitrd = (kernel: Uint8Array, size: number) =>
  planBoot({ kernel, initrd: new Uint8Array(size).fill(7), bios: 'sbi', bootargs: '' }, memory, { virtioDevices: 0 });

test('an initial RAM disk lies half the RAM behind the kernel, or behind a kernel that reaches further', () => {
  expect(withInitrd(linuxImage(), 4096).segments[1]).toMatchObject({ address: 0x80200000 + 8 * MIB, size: 4096 });
  const large = linuxImage({ imageSize: BigInt(9 * MIB + 5) });
  expect(withInitrd(large, 4096).segments[1]).toMatchObject({ address: 0x80200000 + 9 * MIB + 4096 });
  expect(() => withInitrd(linuxImage(), 7 * MIB)).toThrow(/initrd 0x80a00000..0x81100000 lies outside RAM/);
});

test('the device tree keeps clear of the initial RAM disk', () => {
  const { deviceTree } = withInitrd(linuxImage(), 5 * MIB);
  expect(deviceTree.address).toBeGreaterThanOrEqual(0x80200000 + 13 * MIB);
  expect(() => withInitrd(linuxImage(), 6 * MIB)).toThrow(/kernel, initrd and device tree do not fit/);
});
