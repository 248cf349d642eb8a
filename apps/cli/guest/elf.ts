/**
 * What an ELF64 file asks for: the shared libraries that it needs, and for a kernel module the modules that it depends on
 * (System V ABI, chapters 4 and 5).
 */
const DYNAMIC_SEGMENT = 2;
const LOAD_SEGMENT = 1;
const END = 0n;
const NEEDED = 1n;
const STRING_TABLE = 5n;

export const isElf = (file: Uint8Array): boolean => Buffer.from(file.subarray(0, 4)).toString('latin1') === '\x7fELF';

/** Names of the shared libraries that a program or library needs (DT_NEEDED); none for a static one. */
export function neededLibraries(bytes: Uint8Array): string[] {
  const file = view(bytes);
  const headersAt = Number(file.readBigUInt64LE(32));
  const headers = Array.from(
    { length: file.readUInt16LE(56) },
    (_, index) => headersAt + index * file.readUInt16LE(54),
  );
  const dynamicAt = headers.find((at) => file.readUInt32LE(at) === DYNAMIC_SEGMENT);
  if (dynamicAt === undefined) return [];

  const entries: [bigint, bigint][] = [];
  for (let at = Number(file.readBigUInt64LE(dynamicAt + 8)); ; at += 16) {
    const tag = file.readBigInt64LE(at);
    if (tag === END) break;
    entries.push([tag, file.readBigUInt64LE(at + 8)]);
  }
  const table = entries.find(([tag]) => tag === STRING_TABLE)?.[1] ?? 0n;
  const home = headers.find((at) => {
    const [from, size] = [file.readBigUInt64LE(at + 16), file.readBigUInt64LE(at + 32)];
    return file.readUInt32LE(at) === LOAD_SEGMENT && table >= from && table < from + size;
  });
  if (home === undefined) throw new Error('ELF file whose string table lies in no segment');
  const stringsAt = Number(table - file.readBigUInt64LE(home + 16) + file.readBigUInt64LE(home + 8));
  return entries.filter(([tag]) => tag === NEEDED).map(([, offset]) => textAt(file, stringsAt + Number(offset)));
}

/** Values of one field of a kernel module's .modinfo section, such as `depends` or `alias`. */
export function moduleInfo(bytes: Uint8Array, field: string): string[] {
  const file = view(bytes);
  const headersAt = Number(file.readBigUInt64LE(40));
  const header = (index: number) => headersAt + index * file.readUInt16LE(58);
  const contentOf = (at: number) => {
    const from = Number(file.readBigUInt64LE(at + 24));
    return file.subarray(from, from + Number(file.readBigUInt64LE(at + 32)));
  };
  const names = contentOf(header(file.readUInt16LE(62)));
  for (let index = 0; index < file.readUInt16LE(60); index++) {
    if (textAt(names, file.readUInt32LE(header(index))) !== '.modinfo') continue;
    const lines = contentOf(header(index)).toString('latin1').split('\0');
    return lines.filter((line) => line.startsWith(`${field}=`)).map((line) => line.slice(field.length + 1));
  }
  return [];
}

function view(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isElf(file) || file[4] !== 2 || file[5] !== 1) throw new Error('not a 64-bit little-endian ELF file');
  return file;
}

const textAt = (file: Buffer, at: number): string => file.toString('latin1', at, file.indexOf(0, at));
