/**
 * Writes flattened device trees (Devicetree Specification 0.4, chapter 5): header, memory reservation block (empty),
 * structure block, strings block. All numbers are big-endian.
 */
const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_SIZE = 40;
/** One all-zero entry ends the memory reservation block. */
const RESERVATIONS_SIZE = 16;

const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const END = 9;

/** `true`: no value. Number: one cell. Numbers: cells. Bigint: two cells. Strings: each ends in NUL. Bytes: as they are. */
type FdtValue = true | number | readonly number[] | bigint | string | readonly string[] | Uint8Array;

export interface FdtNode {
  readonly properties?: Readonly<Record<string, FdtValue>>;
  /** By name with unit address, `serial@10000000`. */
  readonly children?: Readonly<Record<string, FdtNode>>;
}

/** The device tree blob of a root node. */
export function writeFdt(root: FdtNode): Uint8Array {
  const structure = new Cells();
  const strings = new Strings();
  writeNode('', root, structure, strings);
  structure.cell(END);

  const structureBytes = structure.bytes();
  const stringBytes = strings.bytes();
  const structureAt = HEADER_SIZE + RESERVATIONS_SIZE;
  const stringsAt = structureAt + structureBytes.length;
  const header = new Cells();
  header.cell(MAGIC);
  header.cell(stringsAt + stringBytes.length); // totalsize
  header.cell(structureAt);
  header.cell(stringsAt);
  header.cell(HEADER_SIZE); // off_mem_rsvmap
  header.cell(VERSION);
  header.cell(LAST_COMPATIBLE_VERSION);
  header.cell(0); // boot_cpuid_phys
  header.cell(stringBytes.length);
  header.cell(structureBytes.length);
  return concat([header.bytes(), new Uint8Array(RESERVATIONS_SIZE), structureBytes, stringBytes]);
}

function writeNode(name: string, node: FdtNode, out: Cells, strings: Strings): void {
  out.cell(BEGIN_NODE);
  out.padded(text(name));
  for (const [property, value] of Object.entries(node.properties ?? {})) {
    const bytes = encode(value);
    out.cell(PROPERTY);
    out.cell(bytes.length);
    out.cell(strings.offsetOf(property));
    out.padded(bytes);
  }
  for (const [child, content] of Object.entries(node.children ?? {})) writeNode(child, content, out, strings);
  out.cell(END_NODE);
}

function encode(value: FdtValue): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return cells([value]);
  if (typeof value === 'bigint') return cells([Number(value >> 32n), Number(value & 0xffff_ffffn)]);
  const list: readonly (string | number)[] = value;
  return concat(list.map((item) => (typeof item === 'string' ? text(item) : cells([item]))));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);

function cells(values: readonly number[]): Uint8Array {
  const out = new Cells();
  values.forEach((value) => out.cell(value));
  return out.bytes();
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A growing block of 32-bit cells. */
class Cells {
  private readonly parts: Uint8Array[] = [];

  cell(value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    this.parts.push(bytes);
  }

  /** Bytes, filled up with zeros to a whole cell. */
  padded(bytes: Uint8Array): void {
    this.parts.push(bytes, new Uint8Array(-bytes.length & 3));
  }

  bytes(): Uint8Array {
    return concat(this.parts);
  }
}

/** The strings block: every property name once. */
class Strings {
  private readonly offsets = new Map<string, number>();
  private readonly parts: Uint8Array[] = [];
  private size = 0;

  offsetOf(name: string): number {
    const known = this.offsets.get(name);
    if (known !== undefined) return known;
    const bytes = text(name);
    const offset = this.size;
    this.offsets.set(name, offset);
    this.parts.push(bytes);
    this.size += bytes.length;
    return offset;
  }

  bytes(): Uint8Array {
    return concat(this.parts);
  }
}
