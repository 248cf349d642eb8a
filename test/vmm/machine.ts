/** A hart with RAM, a UART that only prints and a test finisher: what tests of the hart run programs on. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hart, type HartExit, type HartPorts } from '../../libs/vmm/hart.js';
import { DIRTY, MACHINE, M_RAM_SIZE, PAGE_SIZE, RAM, RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory, codeWritten } from '../../libs/vmm/memory.js';
import { takeRequests } from '../../libs/vmm/translator/requests.js';
import { Translator } from '../../libs/vmm/translator/translator.js';
import { CSRS, assemble } from './assembler.js';

const CPU_WASM = join(import.meta.dirname, '../../dist/libs/vmm/cpu/cpu.wasm');
export const UART = 0x1000_0000;
export const FINISHER = 0x10_0000;

let compiled: WebAssembly.Module | undefined;
/** The hart module of the last build. */
export function cpuModule(): WebAssembly.Module {
  if (!existsSync(CPU_WASM))
    throw new Error(`${CPU_WASM} is missing: build first (node tools/build.mjs --skip-portal)`);
  compiled ??= new WebAssembly.Module(readFileSync(CPU_WASM));
  return compiled;
}

export function newMemory(ramMiB: number): WebAssembly.Memory {
  const pages = (RAM + ramMiB * 2 ** 20) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
  new DataView(memory.buffer).setBigUint64(MACHINE + M_RAM_SIZE, BigInt(ramMiB) << 20n, true);
  return memory;
}

let translatesEverything = false;
/** From now on new test machines translate whatever they jump to, and execute it translated the next time. */
export function translateEverything(): void {
  translatesEverything = true;
}

/** Harts by the memory that they share. */
const hartsOf = new WeakMap<WebAssembly.Memory, Hart[]>();

/** Serves what its `run` has asked to be translated, as soon as that returns. */
class TestHart extends Hart {
  private translator: Translator | undefined;
  private shared: GuestMemory | undefined;

  /** Translates code that is jumped to so often. */
  translate(memory: GuestMemory, jumps: number): void {
    this.translateAfter(jumps);
    this.shared = memory;
    this.translator = new Translator(memory, {
      compile: (bytes) => new WebAssembly.Module(bytes),
      flushWrites: () => hartsOf.get(memory.memory)!.forEach((hart) => hart.flushWrites()),
    });
  }

  override run(budget: number): HartExit {
    const exit = super.run(budget);
    this.installTranslated();
    return exit;
  }

  private installTranslated(): void {
    const requests = this.shared ? takeRequests(this.shared, [this.hartId]) : [];
    if (requests.length === 0) return;
    const { forAll, again } = this.translator!.translate(requests);
    for (const translated of [...forAll, ...(again.get(this.hartId) ?? [])]) this.install(translated);
  }
}

export class TestMachine {
  readonly memory: WebAssembly.Memory;
  readonly hart: TestHart;
  output = '';
  /** What the program wrote to the test finisher. */
  finished: number | undefined;
  timeTicks = 0n;
  private readonly view: DataView;
  private readonly shared: GuestMemory;

  constructor({ ramMiB = 2, memory = newMemory(ramMiB), hartId = 0, ports = {} as Partial<HartPorts> } = {}) {
    this.memory = memory;
    this.view = new DataView(memory.buffer);
    this.shared = new GuestMemory(memory);
    this.hart = new TestHart(cpuModule(), memory, hartId, {
      timeTicks: () => this.timeTicks,
      mmioRead: (address) => (address === UART + 5 ? 0x60n : undefined),
      mmioWrite: (address, _size, value) => {
        if (address === UART) this.output += String.fromCharCode(Number(value & 0xffn));
        else if (address === FINISHER) this.finished = Number(value);
        else return false;
        return true;
      },
      ...ports,
    });
    hartsOf.set(memory, [...(hartsOf.get(memory) ?? []), this.hart]);
    if (translatesEverything) this.translateAfter(1);
    this.hart.reset({ mode: 'M', pc: BigInt(RAM_BASE), a0: 0n, a1: 0n });
    this.hart.setCsr(CSRS.pmpaddr0, -1n); // all memory to all modes, as firmware would
    this.hart.setCsr(CSRS.pmpcfg0, 0x1fn);
  }

  /** Translates code that is jumped to so often; it is executed when the hart comes there again. */
  translateAfter(jumps: number): void {
    this.hart.translate(this.shared, jumps);
  }

  /** Puts instructions into RAM (at its start, unless told otherwise); they are not run. */
  load(instructions: readonly number[], address = RAM_BASE): void {
    this.loadBytes(assemble(instructions), address);
  }

  /** As a device would, but without the dirty log. */
  loadBytes(bytes: Uint8Array, address: number): void {
    new Uint8Array(this.memory.buffer).set(bytes, RAM + address - RAM_BASE);
    codeWritten(this.shared, address, bytes.length);
  }

  /** Loads `instructions` at `address`, jumps there and executes exactly that many. */
  execute(instructions: readonly number[], address = RAM_BASE): void {
    this.load(instructions, address);
    this.hart.fence();
    this.hart.pc = BigInt(address);
    this.hart.run(instructions.length);
  }

  /** Runs until the program writes to the test finisher. */
  finish(maxInstructions = 50_000_000): void {
    for (let left = maxInstructions; this.finished === undefined; left -= 10_000) {
      if (left <= 0) throw new Error(`no end in sight at pc 0x${this.hart.pc.toString(16)}; output: ${this.output}`);
      this.hart.run(10_000);
    }
  }

  read64(address: number): bigint {
    return this.view.getBigUint64(RAM + address - RAM_BASE, true);
  }

  write64(address: number, value: bigint): void {
    this.view.setBigUint64(RAM + address - RAM_BASE, value, true);
  }

  isDirty(address: number): boolean {
    const page = Math.floor((address - RAM_BASE) / PAGE_SIZE);
    return ((this.view.getUint8(DIRTY + (page >> 3)) >> (page & 7)) & 1) === 1;
  }

  /** Empties the dirty log, as a sync does: swap the bitmap, then flush the write TLB. */
  syncDirty(): void {
    new Uint8Array(this.memory.buffer).fill(0, DIRTY, DIRTY + 4096);
    this.hart.flushWrites();
  }
}
