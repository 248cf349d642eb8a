/** Symbols of an ELF64 executable (System V ABI, chapter 4, "Symbol Table"). */
import { isElf, physicalAddress, readElf } from './elf.js';

const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const SYMBOL_TABLE = 2;
const UNDEFINED_SECTION = 0;

/**
 * Physical addresses of the symbols that the file has of those asked for. A file that is no ELF file has none, and nor
 * has one whose symbol table is cut off: no program needs its own to run.
 */
export function findSymbols<Name extends string>(
  file: Uint8Array,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  if (!isElf(file)) return {};
  const { segments } = readElf(file);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const all = sections(view);
  const table = all.find(({ type }) => type === SYMBOL_TABLE);
  const strings = table && all[table.link];
  if (!strings || table.offset + table.size > file.length) return {};

  const found: Partial<Record<Name, number>> = {};
  const wanted = names.map((name) => ({ name, bytes: new TextEncoder().encode(`${name}\0`) }));
  for (let at = table.offset; at + SYMBOL_SIZE <= table.offset + table.size; at += SYMBOL_SIZE) {
    const nameAt = strings.offset + view.getUint32(at, true);
    const symbol = wanted.find(({ bytes }) => bytes.every((byte, index) => file[nameAt + index] === byte));
    if (!symbol || view.getUint16(at + 6, true) === UNDEFINED_SECTION) continue;
    const address = physicalAddress(segments, view.getBigUint64(at + 8, true));
    if (address !== undefined) found[symbol.name] = address;
  }
  return found;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** Of a symbol table: which section has its strings. */
  readonly link: number;
}

/** All sections; none if their headers lie outside the file. */
function sections(view: DataView): Section[] {
  const tableAt = Number(view.getBigUint64(40, true));
  const entrySize = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  if (entrySize < SECTION_HEADER_SIZE || tableAt + count * entrySize > view.byteLength) return [];
  return Array.from({ length: count }, (_, index) => {
    const at = tableAt + index * entrySize;
    const field = (offset: number) => Number(view.getBigUint64(at + offset, true));
    return {
      type: view.getUint32(at + 4, true),
      offset: field(24),
      size: field(32),
      link: view.getUint32(at + 40, true),
    };
  });
}
