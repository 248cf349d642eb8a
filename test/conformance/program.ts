/** Generated programs, run on our hart and on `qemu-system-riscv64 -M virt`: what they did, record by record. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HARTS, HART_SIZE, RAM } from '../../libs/vmm/layout.js';
import { isInstalled } from '../programs.js';
import { CSRS, assemble } from '../vmm/assembler.js';
import { FINISHER, TestMachine, newMemory } from '../vmm/machine.js';
import { DATA, DATA_SIZE, FLOAT_REGISTERS, LOG, LOG_END, PASS, REGISTERS, START, WORDS, link } from './frame.js';

export { DATA } from './frame.js';

const RAM_MIB = 16;
const MAX_INSTRUCTIONS = 5_000_000;
/** Timers of the harts, which a program may set so that they never fire. */
export const CLINT = { from: 0x200_0000, to: 0x201_0000 };

/** Instructions that belong together: a program without some of its steps is a program, too. */
export type Step = readonly number[];

export interface Program {
  /** Runs once, before the blocks. */
  readonly setUp?: readonly Step[];
  /** Code that goes straight on; after each block all registers are logged. */
  readonly blocks: readonly (readonly Step[])[];
  /** Memory besides the code, by address. */
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Ranges of memory that are compared at the end, besides the data. */
  readonly compared?: readonly { readonly address: number; readonly size: number }[];
  /** The f registers and fcsr are logged too; setUp has switched them on. */
  readonly float?: boolean;
  /** Code runs in S- and U-mode too: see `enter`. */
  readonly modes?: boolean;
  /** Properties of QEMU's CPU besides those in CPU. */
  readonly cpu?: string;
}

/** Words of the log, as hexadecimal numbers; the first says what it is (frame.ts). */
type LogRecord = readonly string[];

export interface Outcome {
  /** For each block: its traps, and the registers last. */
  readonly blocks: readonly (readonly LogRecord[])[];
  /** What the compared ranges hold at the end, by address. */
  readonly memory: Readonly<Record<string, readonly string[]>>;
}

/** What is at START, and all other memory. */
function image({ setUp = [], blocks, memory, float = false, modes = false }: Program): Uint8Array {
  const code = link({ setUp: setUp.flat(), blocks: blocks.map((steps) => steps.flat()), float, modes });
  const parts = [{ address: START, bytes: assemble(code) }, ...memory];
  const bytes = new Uint8Array(Math.max(...parts.map((part) => part.address + part.bytes.length)) - START);
  for (const part of parts) bytes.set(part.bytes, part.address - START);
  return bytes;
}

/** Reads the log and the compared ranges out of RAM. */
function outcomeOf({ compared = [] }: Program, ram: Uint8Array): Outcome {
  const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
  const word = (address: number) =>
    view
      .getBigUint64(address - START, true)
      .toString(16)
      .padStart(16, '0');
  const words = (address: number, count: number) => Array.from({ length: count }, (_, n) => word(address + 8 * n));
  const end = Number(view.getBigUint64(LOG_END - START, true));
  const blocks: LogRecord[][] = [];
  let kind: number = REGISTERS;
  for (let at = LOG; at < end;) {
    const before = kind;
    kind = Number(view.getBigUint64(at - START, true) & 0xffn);
    const count = WORDS[kind as keyof typeof WORDS];
    if (count === undefined) throw new Error(`the log has a record of kind ${kind} at 0x${at.toString(16)}`);
    if (before >= REGISTERS && kind !== FLOAT_REGISTERS) blocks.push([]);
    blocks.at(-1)!.push(words(at, count));
    at += 8 * count;
  }
  const ranges = [{ address: DATA, size: DATA_SIZE }, ...compared];
  return {
    blocks,
    memory: Object.fromEntries(ranges.map(({ address, size }) => [address.toString(16), words(address, size / 8)])),
  };
}

/** One for all runs, since each takes a large piece of address space. */
let memory: WebAssembly.Memory | undefined;

/** What the program does on our hart. Throws if it does not come to its end. */
export function runOnHart(program: Program): Outcome {
  memory ??= newMemory(RAM_MIB);
  const ram = new Uint8Array(memory.buffer, RAM, RAM_MIB * 2 ** 20).fill(0);
  new Uint8Array(memory.buffer, HARTS, HART_SIZE).fill(0);
  const machine = new TestMachine({
    memory,
    ports: {
      mmioWrite: (address, _size, value) => {
        if (address === FINISHER) machine.finished = Number(value);
        return address === FINISHER || (address >= CLINT.from && address < CLINT.to);
      },
    },
  });
  machine.hart.setCsr(CSRS.pmpcfg0, 0n); // as it is at reset
  machine.hart.setCsr(CSRS.pmpaddr0, 0n);
  machine.loadBytes(image(program), START);
  machine.finish(MAX_INSTRUCTIONS);
  if (machine.finished !== PASS) throw new Error(`the program ended with ${machine.finished}`);
  return outcomeOf(program, ram);
}

/** Our hart, as far as QEMU 7.2 knows its extensions. With svpbmt it would ignore all reserved bits of page tables. */
const CPU = 'rv64,h=false,v=false,zba=true,zbb=true,zbc=false,zbs=true,sstc=true';
/** Far more than any program takes; one that waits for ever must not keep a soak waiting as long. */
const TIMEOUT_MS = 20_000;

/** What the program does on QEMU's virt board, whose RAM is a file that we read. Throws if it does not come to its end. */
export function runOnQemu(program: Program, timeoutMs = TIMEOUT_MS): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'drover-cpu-'));
  try {
    const [file, ram] = [join(folder, 'program.bin'), join(folder, 'ram')];
    writeFileSync(file, image(program));
    const { status, stderr, error } = spawnSync(
      'qemu-system-riscv64',
      [
        ...['-M', 'virt,memory-backend=ram', '-cpu', program.cpu ? `${CPU},${program.cpu}` : CPU, '-smp', '2'],
        ...['-m', `${RAM_MIB}M`, '-object', `memory-backend-file,id=ram,size=${RAM_MIB}M,mem-path=${ram},share=on`],
        ...['-bios', 'none', '-display', 'none', '-monitor', 'none', '-serial', 'none'],
        ...['-device', `loader,file=${file},addr=${START},force-raw=on`],
      ],
      { encoding: 'utf8', timeout: timeoutMs },
    );
    if (status !== 0) throw new Error(`qemu-system-riscv64: ${error?.message ?? stderr}`);
    return outcomeOf(program, readFileSync(ram));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const hasQemu = () => isInstalled('qemu-system-riscv64', 'generated programs on QEMU');
