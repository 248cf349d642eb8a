import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isElf, moduleInfo, neededLibraries } from './elf.js';

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (...values: number[]) => Buffer.from(BigUint64Array.from(values, BigInt).buffer);
const ident = Buffer.from('\x7fELF\x02\x01\x01'.padEnd(16, '\0'), 'latin1');

/** A shared library that needs two others: its strings are mapped 0x1000 above their place in the file. */
function library(): Buffer {
  const strings = Buffer.from('\0libc.so.6\0libm.so.6\0');
  const dynamic = u64(1, 1, 14, 11, 1, 11, 5, 0x1000 + 176 + 80, 0, 0);
  const header = [
    ident,
    u16(3),
    u16(243),
    u32(1),
    u64(0, 64, 0),
    u32(0),
    u16(64),
    u16(56),
    u16(2),
    u16(0),
    u16(0),
    u16(0),
  ];
  const load = [u32(1), u32(5), u64(0, 0x1000, 0x1000, 400, 400, 8)];
  const dynamicHeader = [u32(2), u32(6), u64(176, 0x1000 + 176, 0, 80, 80, 8)];
  return Buffer.concat([...header, ...load, ...dynamicHeader, dynamic, strings]);
}

/** A kernel module: section names and .modinfo. */
function kernelModule(info: readonly string[]): Buffer {
  const names = Buffer.from('\0.shstrtab\0.modinfo\0');
  const content = Buffer.from(info.map((line) => `${line}\0`).join(''));
  const at = 64 + 3 * 64;
  const section = (name: number, from: number, size: number) =>
    Buffer.concat([u32(name), u32(1), u64(0, 0, from, size, 0, 0, 0)]);
  const header = [
    ident,
    u16(1),
    u16(243),
    u32(1),
    u64(0, 0, 64),
    u32(0),
    u16(64),
    u16(0),
    u16(0),
    u16(64),
    u16(3),
    u16(1),
  ];
  const sections = [section(0, 0, 0), section(1, at, names.length), section(11, at + names.length, content.length)];
  return Buffer.concat([
    ...header,
    ...sections.map((one) => Buffer.concat([one, Buffer.alloc(64 - one.length)])),
    names,
    content,
  ]);
}

test('a library tells which others it needs', () => {
  expect(neededLibraries(library())).toEqual(['libc.so.6', 'libm.so.6']);
});

test.runIf(process.platform === 'linux')('so does a program of this machine', () => {
  expect(neededLibraries(readFileSync(process.execPath))).toContainEqual(expect.stringMatching(/^libc\./));
});

test('a module tells what it depends on and what it is called for', () => {
  const file = kernelModule(['license=GPL', 'depends=jbd2,mbcache', 'alias=fs-ext4', 'alias=ext3', 'dependsnot=x']);
  expect(moduleInfo(file, 'depends')).toEqual(['jbd2,mbcache']);
  expect(moduleInfo(file, 'alias')).toEqual(['fs-ext4', 'ext3']);
  expect(moduleInfo(file, 'softdep')).toEqual([]);
  expect(neededLibraries(file)).toEqual([]);
});

test('what is no ELF file is refused', () => {
  expect(isElf(Buffer.from('#!/bin/sh'))).toBe(false);
  expect(() => neededLibraries(Buffer.from('#!/bin/sh'))).toThrow(/ELF/);
});
