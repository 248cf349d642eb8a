/**
 * Programs that load, store and jump through page tables of random entries, Sv39 and Sv48: loads, stores and AMOs of
 * M-mode with MPRV set, and fetches of S- and U-mode. A seed always gives the same program.
 */
import { Random } from '../random.js';
import { STORES, amo, assemble, auipc, csr, csrw, i, li, s, sfence } from '../vmm/assembler.js';
import { LEAVE, RETURN, enter } from './frame.js';
import { ALL_MEMORY, LOADS, MPRV, MXR, SUM, keys } from './generating.js';
import { DATA, type Program, type Step } from './program.js';

const TOP = 0x8014_0000;
const ROOT = TOP + 0x1000;
const MIDDLE = TOP + 0x2000;
const LEAVES = TOP + 0x3000;
const TABLES_SIZE = 0x4000;
/** Two pages of code that does next to nothing and returns. */
const CODE = TOP + 0x4000;
const NO_RAM = 0;
const [V, R, W, X, U, A, D] = [1, 2, 4, 8, 16, 64, 128] as const;
const [A0, A1, A2, A3, A4, A5] = [10, 11, 12, 13, 14, 15] as const;
const GIB = 2n ** 30n;
const [NC, IO] = [1n << 61n, 2n << 61n];
const PBMTE = 1n << 62n;

/** What the page tables may contain. */
interface Shape {
  readonly levels: 3 | 4;
  /** Memory types are used; QEMU 7.2 then takes no reserved bit for one. */
  readonly memoryTypes: boolean;
}

/** Those that the lowest tables map. */
const PAGES = Array.from({ length: 64 }, (_, n) => n);
/** Every tenth page maps to nothing. Accesses there are aligned, since QEMU splits others in its own way. */
const isDevice = (page: number) => page % 10 === 9;
/** Of four pages, the last two are code. */
const isCode = (page: number) => !isDevice(page) && page % 4 >= 2;

function physicalPage(page: number, random: Random): number {
  if (isDevice(page)) return NO_RAM;
  return isCode(page) ? CODE + 0x1000 * (page % 2) : DATA + 0x1000 * random.below(2);
}

const entry = (address: number, flags: number) => (BigInt(address) >> 2n) | BigInt(flags);

function pageTables(random: Random, { memoryTypes }: Shape): Uint8Array {
  const tables = new DataView(new ArrayBuffer(TABLES_SIZE));
  const set = (table: number, index: number, value: bigint) =>
    tables.setBigUint64(table - TOP + 8 * index, BigInt.asUintN(64, value), true);
  const flags = () => (random.below(12) ? V : 0) | (random.below(256) & ~V) | (random.below(4) ? R | A : 0);
  const type = () => (memoryTypes ? random.pick([0n, 0n, NC, IO]) : 0n);
  const reserved = () => (memoryTypes ? random.pick([NC, IO]) : 1n << BigInt(54 + random.below(10)));

  set(TOP, 0, entry(ROOT, V));
  set(TOP, 1, entry(0, flags() | R | V) | type()); // 512 GiB
  set(TOP, 2, entry(0x8000_0000, V | R | W | A | D)); // misaligned
  set(TOP, 256, entry(ROOT, V));
  set(TOP, 511, entry(ROOT, V));
  set(ROOT, 0, entry(MIDDLE, V));
  set(ROOT, 1, entry(0x8000_0000, flags() | R | V) | type()); // 1 GiB
  set(ROOT, 2, entry(0x8000_0000, V | R | W | X | A | D)); // where the program runs in S-mode
  set(ROOT, 3, entry(0x8000_0000, V | R | W | X | U | A | D)); // and in U-mode: U_ALIAS
  set(ROOT, 4, entry(MIDDLE, V | random.pick([0, A, D, U]))); // reserved bits of a pointer
  set(ROOT, 5, entry(0x8020_0000, V | R | W | A | D)); // misaligned
  set(ROOT, 6, entry(MIDDLE, V) | reserved());
  set(ROOT, 511, entry(MIDDLE, V));
  set(MIDDLE, 0, entry(LEAVES, V));
  set(MIDDLE, 1, entry(0x8000_0000, flags() | R | V) | type()); // 2 MiB
  set(MIDDLE, 2, entry(0x8000_0000, V | R | W | X | U | A | D));
  set(MIDDLE, 3, entry(0x8000_1000, V | R | W | A | D)); // misaligned
  set(MIDDLE, 4, entry(0x8000_0000, V | R | A) | reserved());
  for (const page of PAGES) set(LEAVES, page, entry(physicalPage(page, random), flags()) | type());
  return new Uint8Array(tables.buffer);
}

/** 8 bytes each: ADDI, and two ways to return. The last instruction of the first page crosses into the second. */
function codePages(): Uint8Array {
  const returns = 0x8002 | (RETURN << 7); // c.jr
  const unit = assemble([i('addi', A5, A5, 1), returns, returns]);
  const pages = new Uint8Array(0x2000);
  for (let at = 0; at < pages.length; at += 8) pages.set(unit, at);
  pages.set(assemble([i('addi', A5, A5, 64), returns]), 0xffe);
  return pages;
}

/** An address, and whether it leads to RAM if it leads anywhere. */
interface Target {
  readonly va: bigint;
  readonly ram: boolean;
}

/** One of the ways to an offset in the 2 MiB from the start of RAM, or in the 64 pages. */
function via(random: Random, inRam: number, inPages: Target): Target {
  const sign = random.pick([0n, 0n, 0xffff_8000_0000_0000n]);
  const ram = BigInt(inRam);
  return random.pick<() => Target>([
    () => ({ va: GIB + ram, ram: true }),
    () => ({ va: random.pick([1n, 2n, 3n, 4n]) * 0x20_0000n + ram, ram: true }),
    () => ({ va: 4n * GIB + random.pick([1n, 2n]) * 0x20_0000n + ram, ram: true }), // reserved bits of a pointer, perhaps
    () => ({ va: 5n * GIB + ram, ram: true }),
    () => ({ va: 6n * GIB + 0x20_0000n + ram, ram: true }),
    () => ({ va: (1n << 39n) + 0x8000_0000n + ram, ram: true }),
    () => ({ va: (2n << 39n) + ram, ram: true }),
    () => ({ va: sign + GIB + ram, ram: true }),
    () => ({ va: random.pick([GIB * 7n, 0xffff_ffc0_0000_0000n, 1n << 38n, 1n << 47n, 1n << 63n]), ram: true }),
    () => ({ ...inPages, va: 0xffff_ffff_c000_0000n + inPages.va }),
    () => ({ ...inPages, va: sign + inPages.va }),
    ...Array.from({ length: 6 }, () => () => inPages),
  ])();
}

function dataAddress(random: Random): Target {
  const offset = random.pick([0, 8, 0xff8, 0xffc, 0xffd, 0xfff, random.below(4096), random.below(512) * 8]);
  const page = random.pick(PAGES.filter((n) => !isCode(n))); // code stays as it is
  const inPage = isDevice(page) || isCode(page + 1) ? offset & 0xff8 : offset;
  return via(random, DATA - 0x8000_0000 + offset, { va: BigInt(0x1000 * page + inPage), ram: !isDevice(page) });
}

function codeAddress(random: Random): bigint {
  const inUnit = 8 * (1 + random.below(510)) + random.pick([0, 4, 6]);
  const page = random.pick(PAGES.filter((n) => isCode(n)));
  const crosses = page % 4 === 2 && isCode(page + 1) && random.chance(30);
  return via(random, CODE - 0x8000_0000 + inUnit, {
    va: BigInt(0x1000 * page + (crosses ? 0xffe : inUnit)),
    ram: true,
  }).va;
}

const rules = (random: Random) => (random.below(2) ? SUM : 0n) | (random.below(2) ? MXR : 0n);
const fence = (random: Random) => random.pick([[], [], [sfence()], [sfence(A0)], [sfence(A0, A3)]]);

/** A load, store or AMO in M-mode under the rules of U- or S-mode. */
function dataAccess(random: Random): Step {
  const mode = BigInt(random.below(2)) << 11n; // U or S in MPP
  const { va, ram } = dataAddress(random);
  const instructions = [
    i(random.pick(LOADS), A2, A0, 0),
    i(random.pick(LOADS), A2, A0, 0),
    s(random.pick(keys(STORES)), A3, A0, 0),
    s(random.pick(keys(STORES)), A3, A0, 0),
    // AMOs to devices are an access fault here; QEMU takes them apart.
    amo(random.pick(['amoadd', 'amoswap', 'amomaxu', 'lr']), random.pick(['w', 'd']), A2, A0, 0),
  ];
  return [
    ...li(A0, va),
    ...li(A1, MPRV | mode | rules(random)),
    ...li(A3, random.bigint(64)),
    ...fence(random),
    csr('s', 0, 'mstatus', A1),
    random.pick(ram ? instructions : instructions.slice(0, 4)),
    ...RULES_OFF,
  ];
}

/** MPP becomes 3 by a trap and 0 by the return from it: so all is cleared, to be set anew. */
const RULES_OFF = [...li(A4, 0x1800n | MPRV | SUM | MXR), csr('c', 0, 'mstatus', A4)];

/** A jump in S- or U-mode to code that comes back; if it faults, the handler comes back. */
function jump(random: Random): Step {
  return [
    ...li(A0, codeAddress(random)),
    ...li(A1, rules(random)),
    ...fence(random),
    csr('s', 0, 'mstatus', A1),
    ...enter(random.pick(['U', 'S']), true),
    auipc(RETURN, 0),
    i('addi', RETURN, RETURN, 12),
    i('jalr', 0, A0, 0),
    ...LEAVE,
    ...RULES_OFF,
  ];
}

export function throughPageTables(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const shape: Shape = { levels: random.pick([3, 4]), memoryTypes: random.chance(25) };
  const satp = (BigInt(shape.levels + 5) << 60n) | BigInt((shape.levels === 3 ? ROOT : TOP) >>> 12);
  const step = () => (random.chance(70) ? dataAccess(random) : jump(random));
  return {
    setUp: [
      ALL_MEMORY,
      ...(shape.memoryTypes ? [[...li(A0, PBMTE), csr('s', 0, 'menvcfg', A0)]] : []),
      [...li(A0, satp), csrw('satp', A0), sfence()],
      li(A2, 0n),
      li(A5, 0n),
      RULES_OFF,
    ],
    blocks: Array.from({ length: blocks }, () => Array.from({ length: 8 }, step)),
    memory: [
      { address: DATA, bytes: random.bytes(0x2000) },
      { address: TOP, bytes: pageTables(random, shape) },
      { address: CODE, bytes: codePages() },
    ],
    compared: [{ address: TOP, size: TABLES_SIZE }], // accessed and dirty bits
    modes: true,
    ...(shape.memoryTypes && { cpu: 'svpbmt=true' }),
  };
}
