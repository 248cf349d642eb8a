/** Writes ELF executables for tests: one segment, and a symbol table if there are symbols. */

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const SYMBOL = 24;
const CODE_AT = HEADER + PROGRAM_HEADER;

/** `content` at `address`, entered there. Symbols are addresses by name. */
export function elfFile(
  content: Uint8Array,
  address: number,
  symbols: Readonly<Record<string, number>> = {},
): Uint8Array {
  const names = Object.keys(symbols);
  const strings = new TextEncoder().encode(['', ...names, ''].join('\0'));
  const stringsAt = CODE_AT + content.length;
  const symbolsAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const symbolsSize = SYMBOL * (names.length + 1);
  const sectionsAt = symbolsAt + symbolsSize;
  const file = new Uint8Array(sectionsAt + 3 * SECTION_HEADER);
  const view = new DataView(file.buffer);
  const words = (at: number, ...values: number[]) =>
    values.forEach((value, index) => view.setBigUint64(at + 8 * index, BigInt(value), true));

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // executable
  view.setUint16(18, 243, true); // RISC-V
  words(24, address, HEADER, sectionsAt);
  [HEADER, PROGRAM_HEADER, 1, SECTION_HEADER, 3].forEach((value, index) => view.setUint16(52 + 2 * index, value, true));
  view.setUint32(HEADER, 1, true); // to be loaded
  words(HEADER + 8, CODE_AT, address, address, content.length, content.length);

  file.set(content, CODE_AT);
  file.set(strings, stringsAt);
  let nameAt = 1;
  names.forEach((name, index) => {
    const at = symbolsAt + SYMBOL * (index + 1);
    view.setUint32(at, nameAt, true);
    view.setUint16(at + 6, 0xfff1, true); // absolute
    words(at + 8, symbols[name]!, 8);
    nameAt += name.length + 1;
  });
  view.setUint32(sectionsAt + SECTION_HEADER + 4, 3, true); // strings
  words(sectionsAt + SECTION_HEADER + 24, stringsAt, strings.length);
  view.setUint32(sectionsAt + 2 * SECTION_HEADER + 4, 2, true); // symbols
  words(sectionsAt + 2 * SECTION_HEADER + 24, symbolsAt, symbolsSize);
  view.setUint32(sectionsAt + 2 * SECTION_HEADER + 40, 1, true); // whose strings are in section 1
  return file;
}
