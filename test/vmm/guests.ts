/** Small guests, assembled here, that together use all of the board. Registers are numbered; s0 is 8, a0 is 10. */
import { amo, assemble, b, csr, csri, csrr, csrw, ECALL, i, jal, li, r, s, shift, sizeOf, WFI } from './assembler.js';

type Item =
  number | readonly number[] | { readonly label: string } | { readonly to: string; make(offset: number): number };

/** Assembles code with labels; jumps and branches to them are 4 bytes long. */
export function program(...items: readonly Item[]): Uint8Array {
  const labels = new Map<string, number>();
  let at = 0;
  for (const item of items) {
    if (typeof item === 'object' && 'label' in item) labels.set(item.label, at);
    else at += typeof item === 'object' && 'to' in item ? 4 : sizeOf([item].flat());
  }
  const code: number[] = [];
  for (const item of items) {
    if (typeof item === 'object' && 'label' in item) continue;
    if (typeof item === 'object' && 'to' in item) code.push(item.make(labels.get(item.to)! - sizeOf(code)));
    else code.push(...[item].flat());
  }
  return assemble(code);
}

const label = (name: string): Item => ({ label: name });
const jump = (to: string): Item => ({ to, make: (offset) => jal(0, offset) });
const branch = (kind: Parameters<typeof b>[0], rs1: number, rs2: number, to: string): Item => ({
  to,
  make: (offset) => b(kind, rs1, rs2, offset),
});

const UART = 0x1000_0000n;
const FINISHER = 0x10_0000n;
const CLINT_MTIMECMP = 0x200_4000n;
const CLINT_MTIME = 0x200_bff8n;
const PLIC = 0xc00_0000n;
const MTIE = 1n << 7n;
const MEIE = 1n << 11n;

/** Sends each character over the UART, waiting for the transmitter as a driver does. Uses t0 to t2. */
const print = (text: string): Item[] => [
  li(5, UART),
  ...[...text].flatMap((character, index): Item[] => [
    label(`${text}${index}`),
    i('lbu', 6, 5, 5),
    i('andi', 6, 6, 0x20),
    branch('beq', 6, 0, `${text}${index}`),
    li(7, BigInt(character.charCodeAt(0))),
    s('sb', 7, 5, 0),
  ]),
];

const finish = (value: number): Item[] => [li(5, FINISHER), li(6, BigInt(value)), s('sw', 6, 5, 0)];
const idle: Item[] = [label('idle'), WFI, jump('idle')];
const onlyHartZero: Item[] = [csrr(5, 'mhartid'), branch('bne', 5, 0, 'idle')];

/** Prints the text and writes `value` into the test finisher. */
export const printer = (text: string, value: number) =>
  program(...onlyHartZero, ...print(text), ...finish(value), ...idle);

/** Waits for an interrupt that never comes. */
export const sleeper = () => program(...print('z'), ...idle);

/** Never waits: counts in s0 and stores the count at 2 MiB into RAM. */
export const counter = () =>
  program(li(9, 0x8020_0000n), label('again'), i('addi', 8, 8, 1), s('sd', 8, 9, 0), jump('again'));

/** Does `each` every 10 ms of guest time, for ever, by timer interrupt and WFI. Uses t0, a0, a1, a2, s0 and s1. */
const everyTick = (each: readonly Item[]): Item[] => [
  li(5, MTIE),
  csrw('mie', 5),
  li(8, CLINT_MTIME),
  li(9, CLINT_MTIMECMP),
  li(12, 100_000n),
  label('again'),
  i('ld', 10, 8, 0),
  r('add', 10, 10, 12),
  s('sd', 10, 9, 0),
  label('wait'),
  WFI,
  csrr(11, 'mip'),
  i('andi', 11, 11, Number(MTIE)),
  branch('beq', 11, 0, 'wait'),
  ...each,
  jump('again'),
];

/** Prints a dot every 10 ms of guest time; `first` comes before all of them, `each` before each. */
export const ticker = (first: readonly Item[] = [], each: readonly Item[] = []) =>
  program(...onlyHartZero, ...first, ...everyTick([...each, ...print('.')]), ...idle);

/** What a ticker can do first: write mtime. */
export const setMtime = (ticks: bigint): Item[] => [li(5, CLINT_MTIME), li(6, ticks), s('sd', 6, 5, 0)];

/** Reads its time for ever, and ends with 1 when it runs backwards; prints a dot now and then. `first` comes before. */
export const clockReader = (first: readonly Item[] = []) =>
  program(
    ...onlyHartZero,
    ...first,
    csrr(8, 'time'),
    li(12, 100_000n),
    label('again'),
    csrr(10, 'time'),
    r('sub', 11, 10, 8),
    branch('blt', 11, 0, 'backwards'),
    i('addi', 8, 10, 0),
    i('addi', 9, 9, 1),
    branch('bltu', 9, 12, 'again'),
    i('addi', 9, 0, 0),
    ...print('.'),
    jump('again'),
    label('backwards'),
    ...finish(0x1_3333),
    ...idle,
  );

/** How a program stores a word at `tohost`, whose address is in s4: it waits until it may. Uses t1 and t2. */
const STORES = {
  halves: (word: number): Item[] => [s('sw', word, 20, 0), shift('srli', 7, word, 32), s('sw', 7, 20, 4)],
  atomics: (word: number): Item[] => [amo('amoswap', 'd', 0, 20, word)],
};
const say = (how: keyof typeof STORES, word: number): Item[] => [
  label(`free ${word}`),
  i('ld', 6, 20, 0),
  branch('bne', 6, 0, `free ${word}`),
  ...STORES[how](word),
];

/** Prints so many dots by HTIF, one in 10 ms of guest time, and ends with `status` by HTIF. */
export const htifTicker = (tohost: bigint, how: keyof typeof STORES, dots: number, status: number) =>
  program(
    li(20, tohost),
    li(21, BigInt(dots)),
    li(22, (0x0101n << 48n) | BigInt('.'.charCodeAt(0))),
    li(23, BigInt((status << 1) | 1)),
    ...everyTick([...say(how, 22), i('addi', 21, 21, -1), branch('beq', 21, 0, 'last')]),
    label('last'),
    ...say(how, 23),
    ...idle,
  );

/** A ticker that has written the last bytes of so much RAM, and ends if they change. */
export const lastBytes = (ramMiB: number) => {
  const at = li(20, 0x8000_0000n + BigInt(ramMiB) * 0x10_0000n - 8n);
  return ticker(
    [at, li(21, 0x1234_5678n), s('sd', 21, 20, 0)],
    [i('ld', 22, 20, 0), branch('beq', 21, 22, 'right'), ...finish(0x3333), label('right')],
  );
};

/** Sends back what it receives, by UART interrupt through the PLIC and WFI. */
export const echo = () =>
  program(
    ...onlyHartZero,
    li(8, PLIC),
    li(9, 1n),
    s('sw', 9, 8, 40), // priority of source 10
    li(5, PLIC + 0x2000n),
    li(6, 1n << 10n),
    s('sw', 6, 5, 0), // enabled for hart 0 in M-mode
    li(18, PLIC + 0x20_0000n),
    li(19, UART),
    s('sb', 9, 19, 1), // received data interrupts
    li(5, MEIE),
    csrw('mie', 5),
    ...print('ready\n'),
    label('wait'),
    WFI,
    i('lw', 10, 18, 4), // claim
    branch('beq', 10, 0, 'wait'),
    label('drain'),
    i('lbu', 11, 19, 0),
    s('sb', 11, 19, 0),
    i('lbu', 12, 19, 5),
    i('andi', 12, 12, 1),
    branch('bne', 12, 0, 'drain'),
    s('sw', 10, 18, 4), // complete
    jump('wait'),
    ...idle,
  );

const HSM = 0x48534dn;
const DBCN = 0x4442434en;
const SRST = 0x53525354n;
const TIME = 0x54494d45n;
const SPI = 0x735049n;

/** An SBI call; arguments are in a0 to a5 already. */
const sbi = (extension: bigint, fid: bigint): Item[] => [li(17, extension), li(16, fid), ECALL];
const sbiPrint = (character: string): Item[] => [li(10, BigInt(character.charCodeAt(0))), ...sbi(DBCN, 2n)];

/** Older firmware has no SBI console. */
const shown = (character: string, by: 'SBI' | 'UART') => (by === 'SBI' ? sbiPrint(character) : print(character));

/**
 * In S-mode: one hart prints S, starts the others by HSM, which each count themselves and stop; sleeps 10 ms by the
 * timer, set through SBI or Sstc; sends itself an IPI; prints E and shuts down when all have counted.
 */
export const supervisor = (harts: number, timer: 'SBI' | 'Sstc' = 'SBI', console: 'SBI' | 'UART' = 'SBI') =>
  program(
    i('addi', 24, 10, 0), // its own number: firmware may start any of them
    ...shown('S', console),
    li(20, 0x8030_0000n), // the count
    li(21, 0n),
    li(22, BigInt(harts)),
    { to: 'started', make: (offset) => auipcOf(23, offset) },
    { to: 'started', make: (offset) => i('addi', 23, 23, offset + 4) },
    label('start'),
    branch('bge', 21, 22, 'sleep'),
    branch('beq', 21, 24, 'next'),
    i('addi', 10, 21, 0),
    i('addi', 11, 23, 0),
    i('addi', 12, 20, 0),
    ...sbi(HSM, 0n),
    branch('bne', 10, 0, 'wrong'),
    label('next'),
    i('addi', 21, 21, 1),
    jump('start'),
    label('sleep'),
    li(5, 1n << 5n), // STIE
    csr('s', 0, 'sie', 5),
    csrr(10, 'time'),
    li(5, 100_000n),
    r('add', 10, 10, 5),
    ...(timer === 'SBI' ? sbi(TIME, 0n) : [csrw('stimecmp', 10)]),
    label('timer'),
    WFI,
    csrr(5, 'sip'),
    i('andi', 5, 5, 1 << 5),
    branch('beq', 5, 0, 'timer'),
    li(10, 1n),
    i('addi', 11, 24, 0),
    ...sbi(SPI, 0n),
    csrr(5, 'sip'),
    i('andi', 5, 5, 2),
    branch('beq', 5, 0, 'wrong'),
    csri('c', 0, 'sip', 2),
    i('addi', 5, 22, -1),
    label('count'),
    i('ld', 6, 20, 0),
    branch('bne', 6, 5, 'count'),
    ...shown('E', console),
    li(10, 0n),
    li(11, 0n),
    ...sbi(SRST, 0n),
    label('wrong'),
    ...shown('X', console),
    li(10, 0n),
    li(11, 1n),
    ...sbi(SRST, 0n),
    label('started'), // a0 is the hart, a1 what hart 0 passed
    li(5, 1n),
    amo('amoadd', 'd', 0, 11, 5),
    ...sbi(HSM, 1n),
    jump('wrong'),
  );

const auipcOf = (rd: number, _offset: number) => (0x17 | (rd << 7)) >>> 0;

/** Resets itself through the finisher as long as RAM says so: prints R twice, then ends with 0. */
export const resetter = () =>
  program(
    ...onlyHartZero,
    ...print('R'),
    li(8, 0x8010_0000n), // RAM survives a reset
    i('ld', 9, 8, 0),
    branch('bne', 9, 0, 'end'),
    li(9, 1n),
    s('sd', 9, 8, 0),
    ...finish(0x7777),
    jump('idle'),
    label('end'),
    ...finish(0x5555),
    ...idle,
  );

const RTC = 0x10_1000n;
const WATCHDOG = 0x10_2000n;

/** Stores the time of the RTC at 1 MiB into RAM, sets its alarm 20 ms ahead, and prints A at the interrupt. */
export const alarmClock = () =>
  program(
    ...onlyHartZero,
    li(18, PLIC),
    li(9, 1n),
    s('sw', 9, 18, 44), // priority of source 11
    li(5, PLIC + 0x2000n),
    li(6, 1n << 11n),
    s('sw', 6, 5, 0), // enabled for hart 0 in M-mode
    li(5, MEIE),
    csrw('mie', 5),
    li(18, PLIC + 0x20_0000n),
    li(19, RTC),
    li(8, 0x8010_0000n),
    i('lw', 10, 19, 0), // the lower half first
    i('lw', 11, 19, 4),
    s('sw', 10, 8, 8),
    s('sw', 11, 8, 12),
    i('ld', 10, 8, 8),
    s('sd', 10, 8, 0),
    li(6, 20_000_000n),
    r('add', 10, 10, 6),
    s('sd', 10, 8, 8),
    i('lw', 11, 8, 12),
    s('sw', 11, 19, 12), // the upper half first
    s('sw', 10, 19, 8),
    s('sw', 9, 19, 16), // interrupt enabled
    label('wait'),
    WFI,
    i('lw', 10, 18, 4), // claim
    branch('beq', 10, 0, 'wait'),
    s('sw', 9, 19, 28), // clear the interrupt
    s('sw', 10, 18, 4), // complete
    ...print('A'),
    ...idle,
  );

/** Starts the watchdog with its shortest interval, half a second, prints W and never reloads it. */
export const unwatched = () =>
  program(
    ...onlyHartZero,
    li(5, WATCHDOG),
    li(6, 1n),
    s('sw', 6, 5, 0x14), // it resets the system
    s('sw', 6, 5, 0x18),
    ...print('W'),
    ...idle,
  );
