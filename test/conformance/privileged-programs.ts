/**
 * Programs in all three modes without translation: traps and their delegation, vectors, returns, interrupts that are
 * pending, and CSRs, which exist or not, are read and written, with values that they do not take. A seed always gives
 * the same program.
 */
import { Random } from '../random.js';
import {
  ECALL,
  EBREAK,
  MRET,
  SRET,
  STORES,
  WFI,
  amo,
  auipc,
  csr,
  csri,
  csrw,
  i,
  li,
  s,
  sfence,
  sizeOf,
  type Csr,
} from '../vmm/assembler.js';
import { LEAVE, RETURN, enter } from './frame.js';
import { ALL_MEMORY, EDGE_VALUES, LOADS, MXR, SUM, keys } from './generating.js';
import { CLINT, DATA, type Program, type Step } from './program.js';

type Mode = 'U' | 'S' | 'M';

const [A0, A1, A2, A3] = [10, 11, 12, 13] as const;
const [SIE, MIE, SPIE, MPIE, SPP, FS] = [1n << 1n, 1n << 3n, 1n << 5n, 1n << 7n, 1n << 8n, 3n << 13n] as const;
const [TVM, TW, TSR, STCE] = [1n << 20n, 1n << 21n, 1n << 22n, 1n << 63n] as const;
const SUPERVISOR_STATUS = SIE | SPIE | SPP | FS | SUM | MXR;
/** Without MPRV, which QEMU 7.2 does not clear at an SRET from M-mode. */
const MACHINE_STATUS = SUPERVISOR_STATUS | MIE | MPIE | TVM | TW;
/** Supervisor software, timer and external interrupt. */
const [SSIP, STIP, SEIP] = [1n << 1n, 1n << 5n, 1n << 9n] as const;
const S_INTERRUPTS = SSIP | STIP | SEIP;
/** ECALL from S-mode is how the handler of S-mode passes a trap on. */
const DELEGABLE = 0xb1ffn;
const ANY = 2n ** 64n - 1n;
const COUNTERS = 7n;

/** What is written: any of these bits, others stay zero. In all others QEMU 7.2 is not, or not yet, like the specification. */
const WRITABLE: Partial<Record<Csr, bigint>> = {
  mstatus: MACHINE_STATUS,
  medeleg: DELEGABLE,
  mideleg: S_INTERRUPTS,
  mie: 0xaaan,
  mip: S_INTERRUPTS,
  mcounteren: COUNTERS,
  mcountinhibit: 5n,
  mcause: ANY,
  mtval: ANY,
  mepc: ~1n,
  sstatus: SUPERVISOR_STATUS,
  sie: ANY,
  sip: ANY,
  scounteren: COUNTERS,
  scause: ANY,
  stval: ANY,
  sepc: ~1n,
  fflags: ANY,
  frm: ANY,
  fcsr: ANY,
  misa: ANY,
  mhartid: ANY,
};
/** Read alone: the frame needs them, or the two sides do not have the same. */
const READABLE: readonly Csr[] = ['mscratch', 'sscratch', 'mtvec', 'stvec', 'satp', 'senvcfg', 'pmpcfg0', 'pmpaddr0'];
/** Not even read: time goes on. */
const COUNTING: readonly Csr[] = ['mcycle', 'minstret', 'cycle', 'time', 'instret'];
/** Fields of menvcfg and senvcfg: FIOM, CBIE, CBCFE, CBZE; 2 is no value of CBIE. */
const ENVIRONMENT = [0x01n, 0x30n, 0x40n, 0x80n, 0xf1n];
/** Modes that satp does not take, and none, with any address. */
const NO_TRANSLATION = [0n, 1n, 2n, 7n, 11n, 12n, 15n];
/** Numbers of CSRs that do not exist, or belong to extensions that are off. */
const ABSENT = [
  0x000, 0x044, 0x080, 0x200, 0x244, 0x3a1, 0x3a3, 0x3c0, 0x5c0, 0x600, 0x644, 0x747, 0x7c0, 0x800, 0xbc0,
];

const asNumber = (n: number, operation: 'w' | 's' | 'c', rd: number, rs1: number) =>
  (csr(operation, rd, 'sstatus', rs1) & 0x000f_ffff) | (n << 20);

/** What is the same for all of a program. */
interface Rules {
  /** Traps are delegated; else SRET may be illegal in S-mode (TSR), by which its handler would return. */
  readonly delegates: boolean;
  /** The one interrupt that may be pending. Of several, QEMU 7.2 takes the one with the lowest number. */
  readonly interrupt: bigint;
}

/** Reads, writes, sets or clears one CSR, in whatever mode. */
function csrAccess(random: Random, rules: Rules): Step {
  const operation = random.pick(['w', 's', 'c'] as const);
  const rd = random.pick([0, A2, A3]);
  const value = () => (random.below(2) ? random.pick(EDGE_VALUES) : random.bigint(64));
  switch (random.below(10)) {
    case 0:
      return [csr('s', rd, random.pick(READABLE), 0)];
    case 1:
      return [csr('s', 0, random.pick(COUNTING), 0)];
    case 2: {
      const name = random.pick(['menvcfg', 'senvcfg'] as const);
      return [...li(A0, random.pick(ENVIRONMENT)), csr(random.pick(['s', 'c']), name === 'menvcfg' ? 0 : rd, name, A0)];
    }
    case 3: {
      const satp = (random.pick(NO_TRANSLATION) << 60n) | random.bigint(60);
      return [...li(A0, satp), csrw('satp', A0), csr('s', rd, 'satp', 0)];
    }
    case 4:
      return [asNumber(random.pick(ABSENT), operation, rd, random.pick([0, A2]))];
    case 5: {
      // Vectored or direct, or reserved, which changes nothing.
      const name = random.pick(['mtvec', 'stvec'] as const);
      const bits = random.pick([1, 1, 2, 3]);
      return [csri(bits === 1 ? random.pick(['s', 'c']) : 's', 0, name, bits)];
    }
    case 6: {
      const name = random.pick(['fflags', 'frm', 'fcsr', 'sie', 'mie', 'scause'] as const);
      // QEMU 7.2 has the bits of the hypervisor in mie, with or without it.
      return [csri(operation, rd, name, random.below(32) & (name.endsWith('ie') ? 0xa : 0x1f))];
    }
    default: {
      const names = keys(WRITABLE).filter((each) => rules.delegates || !each.endsWith('deleg'));
      const name = random.pick(names);
      const isRead = name !== 'misa'; // it has a B here
      const pending = name === 'mip' || name === 'sip' ? rules.interrupt : ANY;
      // To QEMU 7.2 a register that holds 0 writes nothing: no illegal instruction, no dirty FS.
      const some = name.startsWith('f') || name === 'mhartid' ? 1n : 0n;
      return [...li(A0, (value() & WRITABLE[name]! & pending) | some), csr(operation, isRead ? rd : 0, name, A0)];
    }
  }
}

const ILLEGAL = [0xffff_ffff, 0x0000_0000, 0x0000_007f, 0x0000_4073, 0x0010_2073 | (31 << 7), 0x1070_0073, 0x7020_0073];

/** Where nothing answers, on either board. */
const NOWHERE = [0n, 0x700n, 1n << 40n, 1n << 56n, 1n << 63n, -16n];

function memoryAccess(random: Random): Step {
  const toData = random.chance(60);
  const nowhere = random.pick(NOWHERE) + 8n * BigInt(random.below(8)); // aligned: QEMU takes others apart, and AMOs too
  const width = random.pick(['w', 'd'] as const);
  const accesses = [i(random.pick(LOADS), A2, A0, 0), s(random.pick(keys(STORES)), A2, A0, 0)];
  const atomic = amo(random.pick(['amoadd', 'amoor', 'lr']), width, A3, A0, A2); // often misaligned
  return toData
    ? [...li(A0, BigInt(DATA + random.below(0xff0))), random.pick([...accesses, atomic])]
    : [...li(A0, nowhere), random.pick(accesses)];
}

/** Code that is not there: the handler comes back. */
const jumpNowhere = (random: Random): Step => [
  ...li(A0, random.pick(NOWHERE)),
  auipc(RETURN, 0),
  i('addi', RETURN, RETURN, 12),
  i('jalr', 0, A0, random.pick([0, 1, 2])),
];

/** To the next instruction, in S- or U-mode; illegal in U-mode, and in S-mode with TSR. */
function supervisorReturn(random: Random): Step {
  const rest = [csrw('sepc', RETURN), ...li(A0, SPP), csr(random.pick(['s', 'c']), 0, 'sstatus', A0), SRET];
  return [auipc(RETURN, 0), i('addi', RETURN, RETURN, 8 + sizeOf(rest)), ...rest];
}

/** One of the things to do in a mode. What waits is done where it traps. */
function action(random: Random, mode: Mode, rules: Rules): Step {
  switch (random.below(12)) {
    case 0:
      return [ECALL];
    case 1:
      return [random.pick([EBREAK, 0x9002])];
    case 2:
      return [random.pick(ILLEGAL)];
    case 3:
      return memoryAccess(random);
    case 4:
      return jumpNowhere(random);
    case 5:
      return [mode === 'M' ? sfence() : random.pick([MRET, sfence(), sfence(A0, A1)])];
    case 6:
      return mode === 'U' ? [random.pick([WFI, SRET])] : [sfence(random.pick([0, A0]))];
    default:
      return csrAccess(random, rules);
  }
}

/** What decides about traps: all of it is the same on both sides whatever was before. */
function configure(random: Random, rules: Rules): Step[] {
  const set = (name: Csr, value: bigint): Step => [...li(A0, value), csrw(name, A0)];
  const delegates = rules.delegates ? ANY : 0n;
  const status = random.bigint(64) & (SUPERVISOR_STATUS | MPIE | TVM | TW | (TSR & ~delegates));
  return [
    [...li(A0, MACHINE_STATUS | TSR), csr('c', 0, 'mstatus', A0), ...li(A0, status), csr('s', 0, 'mstatus', A0)],
    set('medeleg', random.bigint(64) & DELEGABLE & delegates),
    set('mideleg', random.bigint(64) & S_INTERRUPTS & delegates),
    set('mip', random.chance(40) ? rules.interrupt : 0n),
    set('mcounteren', BigInt(random.below(8))),
    set('scounteren', BigInt(random.below(8))),
    ...random
      .pick([[], [csri('s', 0, 'mtvec', 1)], [csri('c', 0, 'mtvec', 1)], [csri('s', 0, 'stvec', 1)]])
      .map((one) => [one]),
  ];
}

/** Some actions in one mode, and perhaps some more where SRET has led. */
function visit(random: Random, rules: Rules): Step[] {
  const mode = random.pick(['U', 'S', 'S', 'M'] as const);
  const some = (where: Mode) => Array.from({ length: 1 + random.below(8) }, () => action(random, where, rules));
  const interrupts: Step[] = random.chance(40) ? [[...li(A0, random.bigint(64) & 0xaaan), csrw('mie', A0)]] : [];
  return [
    ...configure(random, rules),
    ...interrupts,
    ...(mode === 'M' ? [] : [enter(mode)]),
    ...some(mode),
    ...(random.chance(40) ? [supervisorReturn(random), ...some('S')] : []),
    LEAVE,
  ];
}

export function privileged(seed: number, blocks: number): Program {
  const random = new Random(seed);
  const rules = { delegates: random.chance(67), interrupt: random.pick([SSIP, STIP, SEIP]) };
  const timer = rules.interrupt === STIP ? random.pick([0n, ANY]) : ANY;
  return {
    setUp: [
      ALL_MEMORY,
      [...li(A0, BigInt(CLINT.from) + 0x4000n), ...li(A1, ANY), s('sd', A1, A0, 0)], // no machine timer
      [...li(A0, timer), csrw('stimecmp', A0)],
      [...li(A0, random.pick([0n, STCE])), csr('s', 0, 'menvcfg', A0)],
      ...[A2, A3, RETURN].map((register) => li(register, 0n)),
    ],
    blocks: Array.from({ length: blocks }, () => Array.from({ length: 4 }, () => visit(random, rules)).flat()),
    memory: [{ address: DATA, bytes: random.bytes(0x2000) }],
    modes: true,
  };
}
