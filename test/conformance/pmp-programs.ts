/**
 * Programs under physical memory protection: entries of all kinds and sizes, some locked, over data and code, which is
 * loaded, stored and executed in all modes. A seed always gives the same program.
 */
import { Random } from '../random.js';
import { STORES, amo, assemble, auipc, csr, csrw, i, li, s, sfence } from '../vmm/assembler.js';
import { LEAVE, RETURN, enter } from './frame.js';
import { LOADS, MPRV, keys } from './generating.js';
import { DATA, type Program, type Step } from './program.js';

const [A0, A1, A2, A3, A5] = [10, 11, 12, 13, 15] as const;
/** The lower page of data has code that returns; both pages have what is loaded and stored. */
const CODE_SIZE = 0x800;
const SPAN = 0x2000;
/** Entries 0 to 7 change all the time; the last allows all that they do not deny. */
const CHANGING = 8;
const LOCKED = 0x80;
/** Kinds of entries are OFF, TOR, NA4 and NAPOT. */
const TOR = 1;
/** W without R is reserved. */
const RIGHTS = [0, 1, 3, 4, 5, 7] as const;

const pmpaddr = (n: number, rs1: number) => ((csrw('pmpaddr0', rs1) & 0x000f_ffff) | ((0x3b0 + n) << 20)) >>> 0;
const pmpcfg2 = (rs1: number) => ((csrw('pmpcfg0', rs1) & 0x000f_ffff) | (0x3a2 << 20)) >>> 0;

/** An address of data or a range of it, as a pmpaddr register has it. */
function protectedAddress(random: Random): bigint {
  const address = DATA + 4 * random.below(SPAN / 4);
  const trailing = random.pick([0, 0, 1, 3, 6, 9, 10]); // NAPOT of 8 bytes to 8 KiB
  return ((BigInt(address) >> 2n) & ~((1n << BigInt(trailing)) - 1n)) | ((1n << BigInt(trailing)) - 1n);
}

/** All entries that change, in one write each; a few for good. What is locked lies within the data. */
function configure(random: Random): Step[] {
  const locks = random.chance(4);
  const configs = Array.from({ length: CHANGING }, (_, n) => {
    const kind = random.below(4);
    const rights = n === 0 && kind === TOR ? 7 : random.pick(RIGHTS); // it begins at 0, and so has the program
    const config = (kind << 3) | rights;
    const isBounded = kind !== TOR; // or it would begin where an entry that changes says
    return BigInt(config | (locks && isBounded && random.chance(15) ? LOCKED : 0));
  });
  const cfg = configs.reduce((sum, config, n) => sum | (config << BigInt(8 * n)), 0n);
  const addresses = Array.from({ length: CHANGING }, (_, n) => [...li(A0, protectedAddress(random)), pmpaddr(n, A0)]);
  // QEMU 7.2 does not see a change of pmpaddr alone in what it has cached.
  return [
    [csrw('pmpcfg0', 0)],
    ...addresses,
    [...li(A0, cfg), csrw('pmpcfg0', A0), sfence(), csr('s', A2, 'pmpcfg0', 0)],
  ];
}

/** Within a page: QEMU takes accesses that cross pages apart, and asks for each part with the size of the whole. */
const dataAddress = (random: Random) => {
  const inPage = CODE_SIZE + random.below(0x1000 - CODE_SIZE - 8);
  return BigInt(DATA + 0x1000 * random.below(2) + random.pick([inPage, inPage & ~7]));
};

function access(random: Random): number {
  const width = random.pick(['w', 'd'] as const);
  return random.pick([
    i(random.pick(LOADS), A2, A0, 0),
    i(random.pick(LOADS), A2, A0, 0),
    s(random.pick(keys(STORES)), A3, A0, 0),
    amo(random.pick(['amoadd', 'amoswap', 'lr']), width, A2, A0, A3),
  ]);
}

/** In M-mode itself, under the rules of U- or S-mode, or in those modes. */
function dataAccess(random: Random): Step {
  const set = [...li(A0, dataAddress(random)), ...li(A3, random.bigint(64))];
  const status = li(A1, MPRV | (BigInt(random.below(2)) << 11n));
  const clear = [...li(A1, MPRV | 0x1800n), csr('c', 0, 'mstatus', A1)];
  return random.pick([
    [...set, access(random)],
    [...set, ...clear, ...status, csr('s', 0, 'mstatus', A1), access(random), ...clear],
    [...set, ...enter(random.pick(['U', 'S'])), access(random), access(random), ...LEAVE],
  ]);
}

/** To code among the data that comes back, or, if it may not be executed, by way of the handler. */
function jump(random: Random): Step {
  const inUnit = 8 * random.below(CODE_SIZE / 8) + random.pick([0, 4, 6]);
  const mode = random.pick(['U', 'S', 'M'] as const);
  return [
    ...li(A0, BigInt(DATA + 0x1000 * random.below(2) + inUnit)),
    ...(mode === 'M' ? [] : enter(mode)),
    auipc(RETURN, 0),
    i('addi', RETURN, RETURN, 12),
    i('jalr', 0, A0, 0),
    ...LEAVE,
  ];
}

function codeAndData(random: Random): Uint8Array {
  const returns = 0x8002 | (RETURN << 7); // c.jr
  const unit = assemble([i('addi', A5, A5, 1), returns, returns]);
  const bytes = random.bytes(SPAN);
  for (const page of [0, 0x1000]) for (let at = 0; at < CODE_SIZE; at += 8) bytes.set(unit, page + at);
  return bytes;
}

export function protectedMemory(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const block = () => [
    ...configure(random),
    ...Array.from({ length: 10 }, () => (random.chance(70) ? dataAccess : jump)(random)),
  ];
  return {
    setUp: [
      [...li(A0, 2n ** 54n - 1n), pmpaddr(15, A0), ...li(A0, 0x1fn << 56n), pmpcfg2(A0), sfence()],
      li(A2, 0n),
      li(A5, 0n),
    ],
    blocks: Array.from({ length: blocks }, block),
    memory: [{ address: DATA, bytes: codeAndData(random) }],
    modes: true,
  };
}
