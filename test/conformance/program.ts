/**
 * Frame for generated programs that run alike on our hart and on `qemu-system-riscv64 -M virt`: it logs every trap, prints
 * registers and memory over the UART as hexadecimal lines, and ends through the test finisher. What it prints is what
 * the two are compared by.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled } from '../programs.js';
import { MRET, WFI, assemble, b, csr, csrr, csrw, i, jal, li, r, s, shift, sizeOf } from '../vmm/assembler.js';
import { fstore } from '../vmm/float-assembler.js';
import { FINISHER, TestMachine, UART } from '../vmm/machine.js';

const START = 0x8000_0000;
/** Where generated loads and stores go. */
export const DATA = 0x8010_0000;
const DATA_SIZE = 0x2000;
/** Trap records of the current block, 40 bytes each: x30, mcause, mtval, mepc, x29; then the registers. */
const LOG = 0x8018_0000;
const PASS = 0x5555n;

const [ra, t0, t1, t2, a0, a1, a2, a3, a4, t4, t5, t6] = [1, 5, 6, 7, 10, 11, 12, 13, 14, 29, 30, 31] as const;

/** Records the trap at mscratch, then goes on behind the instruction. Keeps all registers. */
const HANDLER = [
  csr('w', t6, 'mscratch', t6),
  s('sd', t5, t6, 0),
  s('sd', t4, t6, 32),
  csrr(t5, 'mcause'),
  s('sd', t5, t6, 8),
  csrr(t5, 'mtval'),
  s('sd', t5, t6, 16),
  csrr(t5, 'mepc'),
  s('sd', t5, t6, 24),
  i('lhu', t4, t5, 0), // length of the instruction: 4 if its low two bits are 11, else 2
  i('andi', t4, t4, 3),
  i('sltiu', t4, t4, 3),
  shift('slli', t4, t4, 1),
  r('sub', t5, t5, t4),
  i('addi', t5, t5, 4),
  csrw('mepc', t5),
  i('ld', t5, t6, 0),
  i('ld', t4, t6, 32),
  i('addi', t6, t6, 40),
  csr('w', t6, 'mscratch', t6),
  MRET,
];

/** Prints the 64-bit words from t2 to t1 and returns to t5. */
const PRINT_DIGIT = [
  r('srl', a2, a0, a1),
  i('andi', a2, a2, 15),
  i('slti', a3, a2, 10),
  i('addi', a2, a2, 0x30),
  b('bne', a3, 0, 8),
  i('addi', a2, a2, 39),
  i('lbu', a3, a4, 5), // wait until the UART takes another byte
  i('andi', a3, a3, 0x20),
  b('beq', a3, 0, -8),
  s('sb', a2, a4, 0),
  i('addi', a1, a1, -4),
];
const PRINT_WORD = [
  i('ld', a0, t2, 0),
  i('addi', a1, 0, 60),
  ...PRINT_DIGIT,
  b('bge', a1, 0, -sizeOf(PRINT_DIGIT)),
  i('addi', a2, 0, 10),
  s('sb', a2, a4, 0),
  i('addi', t2, t2, 8),
];
const PRINT = [
  ...li(a4, BigInt(UART)),
  ...PRINT_WORD,
  b('bltu', t2, t1, -sizeOf(PRINT_WORD)),
  ...li(t0, BigInt(LOG)),
  csrw('mscratch', t0),
  i('jalr', 0, t5, 0),
];

/** The f registers and fcsr, behind the x registers in the log. */
const FLOAT_DUMP = [
  ...Array.from({ length: 32 }, (_, n) => fstore('d', n, t6, 256 + 8 * n)),
  csrr(ra, 'fcsr'),
  s('sd', ra, t6, 512),
  i('addi', t1, t6, 520),
];

/** Entered with t6 = end of the log, x30 saved there, x31 in mscratch: appends the registers and prints all. */
const dump = (float: boolean) => [
  ...Array.from({ length: 29 }, (_, n) => s('sd', n + 1, t6, 8 * (n + 1))),
  i('ld', ra, t6, 0),
  s('sd', ra, t6, 240),
  csrr(ra, 'mscratch'),
  s('sd', ra, t6, 248),
  s('sd', 0, t6, 0),
  i('addi', t1, t6, 256),
  ...(float ? FLOAT_DUMP : []),
  ...li(t2, BigInt(LOG)),
];

export interface Program {
  /** Instructions that run once, before the blocks. */
  readonly setUp?: readonly number[];
  /** Straight-line code; after each block its traps and all registers are printed. */
  readonly blocks: readonly (readonly number[])[];
  /** Memory besides the code, by address. */
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Ranges of memory that are printed at the end, besides the data. */
  readonly printed?: readonly { readonly address: number; readonly size: number }[];
  /** The f registers and fcsr are printed too; setUp has switched them on. */
  readonly float?: boolean;
}

/** Harts but the first stay here: QEMU makes AMOs atomic, and traps in them what they should be, only with two of them. */
const PARK = [csrr(t0, 'mhartid'), b('beq', t0, 0, 12), WFI, jal(0, -4)];

/** A flat image for START. */
function link({ setUp = [], blocks, memory, printed = [], float = false }: Program): Uint8Array {
  const handler = START + sizeOf(PARK) + 4;
  const dumpRegisters = dump(float);
  const dumpAt = handler + sizeOf(HANDLER);
  const print = dumpAt + sizeOf(dumpRegisters);
  const main = print + sizeOf(PRINT);
  const code = [...PARK, jal(0, main - START - sizeOf(PARK)), ...HANDLER, ...dumpRegisters, ...PRINT];
  let at = main;
  const emit = (...instructions: number[]) => {
    code.push(...instructions);
    at += sizeOf(instructions);
  };

  emit(...li(t0, BigInt(handler)), csrw('mtvec', t0), ...li(t0, BigInt(LOG)), csrw('mscratch', t0), ...setUp);
  for (const block of blocks) {
    emit(...block, csr('w', t6, 'mscratch', t6), s('sd', t5, t6, 0));
    emit(jal(t5, dumpAt - at));
  }
  for (const { address, size } of [{ address: DATA, size: DATA_SIZE }, ...printed]) {
    emit(...li(t2, BigInt(address)), ...li(t1, BigInt(address + size)));
    emit(jal(t5, print - at));
  }
  emit(...li(t0, BigInt(FINISHER)), ...li(t1, PASS), s('sw', t1, t0, 0), jal(0, 0));
  if (at > DATA) throw new RangeError(`the program takes ${at - START} bytes and runs into its data`);

  const parts = [{ address: START, bytes: assemble(code) }, ...memory];
  const image = new Uint8Array(Math.max(...parts.map(({ address, bytes }) => address + bytes.length)) - START);
  for (const { address, bytes } of parts) image.set(bytes, address - START);
  return image;
}

/** What the program prints on our hart, line by line. */
export function runOnHart(program: Program): string[] {
  const machine = new TestMachine({ ramMiB: 16 });
  machine.loadBytes(link(program), START);
  machine.finish();
  if (machine.finished !== Number(PASS)) throw new Error(`the program ended with ${machine.finished}`);
  return machine.output.split('\n');
}

/** Our hart, as far as QEMU 7.2 knows its extensions. With svpbmt it would ignore all reserved bits of page tables. */
const CPU = 'rv64,h=false,v=false,zba=true,zbb=true,zbc=false,zbs=true,sstc=true';

const BOARD = `-M virt -cpu ${CPU} -m 16M -smp 2 -bios none -display none -monitor none`.split(' ');

/** What the program prints on QEMU's virt board, line by line. */
export function runOnQemu(program: Program): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'drover-cpu-'));
  try {
    const image = join(folder, 'program.bin');
    const serial = join(folder, 'serial.txt');
    writeFileSync(image, link(program));
    const { status, stderr, error } = spawnSync(
      'qemu-system-riscv64',
      [...BOARD, '-serial', `file:${serial}`, '-device', `loader,file=${image},addr=${START},force-raw=on`],
      { encoding: 'utf8', timeout: 60_000 },
    );
    if (status !== 0) throw new Error(`qemu-system-riscv64: ${error?.message ?? stderr}`);
    return readFileSync(serial, 'latin1').split('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const hasQemu = () => isInstalled('qemu-system-riscv64', 'generated programs on QEMU');
