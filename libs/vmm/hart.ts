/**
 * One hart (cpu/cpu.as.ts says what it can): a WebAssembly instance of cpu/ on the VM's shared memory. Its
 * driver, a worker thread as a rule, calls `run` slice after slice and serves the reason for which it returns.
 * Instances share nothing but the memory; all that is the hart's state lies in its block there (see layout.ts).
 */
import {
  EXIT_ATTENTION,
  EXIT_BUDGET,
  EXIT_PAGE,
  EXIT_SBI,
  EXIT_WFI,
  MCOUNTEREN,
  MEDELEG,
  MENVCFG,
  MIDELEG,
  MSTATUS,
  PMPADDR0,
  PMPCFG0,
  SBI,
  SCOUNTEREN,
} from './cpu/slots.js';
import { checkHartState, readHartState, writeHartState, type HartState } from './hart-state.js';
import {
  HARTS,
  HART_SIZE,
  H_CSR,
  H_F,
  H_INSTRET,
  H_PC,
  H_PRIV,
  H_X,
  MACHINE,
  MAX_HARTS,
  M_RAM_SIZE,
  PAGE_SIZE,
  RAM,
} from './layout.js';
import type { FenceRange } from './remote-fence.js';
import { CodeTable, type TranslatedExports } from './translator/code-table.js';
import type { TranslatedModule } from './translator/translator.js';

/** What a hart asks of its surroundings while it runs; called synchronously from inside `run`. */
export interface HartPorts {
  /** The `time` CSR: guest time in ticks of TICK_NS. */
  timeTicks(): bigint;
  /** Reads `size` bytes (1, 2, 4, 8) from a device at a physical address outside RAM; undefined = nothing is there. */
  mmioRead(address: number, size: number): bigint | undefined;
  /** Writes `value`, which has `size` bytes; false = nothing is there. Absence raises an access fault in the guest. */
  mmioWrite(address: number, size: number, value: bigint): boolean;
}

/**
 * Why `run` returned. `budget`: the slice is over, or attention was asked for while an access to a device took its time.
 * `wfi`: the guest waits for an interrupt, none that is enabled in mie is pending; pc is past the WFI. `sbi`: an ECALL
 * from S-mode to be answered (extension in x17, function in x16, arguments from x10); pc is past the ECALL, so put error
 * and value into x10 and x11 and run on. `attention`: H_ATTENTION is not zero; if it was not when
 * the slice began nothing has been executed; serve and clear its bits first. `page`: the next instruction needs the page in H_MISSING, which is missing;
 * clear that field before running on.
 */
export type HartExit = 'budget' | 'wfi' | 'sbi' | 'attention' | 'page';

/** Where a hart begins. `S`: as an SBI implementation hands a hart over (delegation set up, ECALL exits with `sbi`). */
export interface HartStart {
  readonly mode: 'M' | 'S';
  readonly pc: bigint;
  readonly a0: bigint;
  readonly a1: bigint;
  readonly a2?: bigint;
}

interface CpuExports extends TranslatedExports {
  init(hartId: number): void;
  reset(): void;
  resume(): void;
  run(budget: number): number;
  flushWrites(): void;
  fence(): void;
  flushAddress(va: bigint): void;
  readCsr(number: number): bigint;
  writeCsr(number: number, value: bigint): void;
  csrExists(number: number): number;
  nothingThere: WebAssembly.Global<'i32'>;
  setThreshold(jumps: number): void;
}

const EXITS: Readonly<Record<number, HartExit>> = {
  [EXIT_BUDGET]: 'budget',
  [EXIT_WFI]: 'wfi',
  [EXIT_SBI]: 'sbi',
  [EXIT_ATTENTION]: 'attention',
  [EXIT_PAGE]: 'page',
};

/** Exceptions that an SBI implementation leaves to S-mode: all but ECALL from S and M, as OpenSBI delegates them. */
const SBI_MEDELEG = 0xb1ffn;
/** Supervisor software, timer and external interrupt. */
const SBI_MIDELEG = 0x222n;
/** FS is Initial: floating point may be used. */
const SBI_FS = 1n << 13n;
/** cycle, time and instret may be read. */
const ALL_COUNTERS = 7n;
/** menvcfg: Sstc, Svpbmt, Svadu, Zicboz and Zicbom (where invalidating invalidates) are there for S-mode. */
const SBI_MENVCFG = (7n << 61n) | 0xf0n;
/** PMP entry 0: all rights (NAPOT, RWX) on all memory. */
const SBI_PMPCFG0 = 0x1fn;
const SBI_PMPADDR0 = 2n ** 54n - 1n;

export class Hart {
  private readonly cpu: CpuExports;
  private readonly codeTable: CodeTable;
  private readonly view: DataView;
  private readonly base: number;

  /**
   * `module` is the compiled cpu.wasm. `memory` is the VM's, big enough for its RAM, with M_RAM_SIZE in the MACHINE
   * block set. State that is already in the hart's block is kept; a new hart needs `reset` or `restore`.
   */
  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    readonly hartId: number,
    ports: HartPorts,
  ) {
    if (!Number.isInteger(hartId) || hartId < 0 || hartId >= MAX_HARTS) {
      throw new RangeError(`hartId ${hartId}: a VM has harts 0 to ${MAX_HARTS - 1}`);
    }
    this.base = HARTS + hartId * HART_SIZE;
    this.view = new DataView(memory.buffer);
    const ramSize = this.view.getBigUint64(MACHINE + M_RAM_SIZE, true);
    if (ramSize === 0n || ramSize % BigInt(PAGE_SIZE) !== 0n || BigInt(RAM) + ramSize > memory.buffer.byteLength) {
      throw new RangeError(`M_RAM_SIZE is ${ramSize} bytes: whole pages that the memory can hold are wanted`);
    }
    const answered = (found: boolean) => {
      this.cpu.nothingThere.value = found ? 0 : 1;
    };
    const env = {
      memory,
      time: () => ports.timeTicks(),
      mmio_read: (address: bigint, size: number) => {
        const value = ports.mmioRead(Number(BigInt.asUintN(64, address)), size);
        answered(value !== undefined);
        return value ?? 0n;
      },
      mmio_write: (address: bigint, size: number, value: bigint) => {
        answered(ports.mmioWrite(Number(BigInt.asUintN(64, address)), size, BigInt.asUintN(8 * size, value)));
      },
    };
    this.cpu = new WebAssembly.Instance(module, { env }).exports as unknown as CpuExports;
    this.cpu.init(hartId);
    this.codeTable = new CodeTable(this.cpu, memory);
  }

  /**
   * Puts the hart's own state to its reset values and sets where it begins. Leaves alone what others write: H_MIP,
   * H_ATTENTION, the timers (H_MTIMECMP, H_STIMECMP: all ones = never) and H_HSM.
   */
  reset({ mode, pc, a0, a1, a2 = 0n }: HartStart): void {
    this.cpu.reset();
    this.pc = pc;
    this.setX(10, a0);
    this.setX(11, a1);
    this.setX(12, a2);
    if (mode === 'S') {
      this.setSlot(SBI, 1n);
      this.setSlot(MSTATUS, this.slot(MSTATUS) | SBI_FS);
      this.setSlot(MEDELEG, SBI_MEDELEG);
      this.setSlot(MIDELEG, SBI_MIDELEG);
      this.setSlot(MCOUNTEREN, ALL_COUNTERS);
      this.setSlot(SCOUNTEREN, ALL_COUNTERS);
      this.setSlot(MENVCFG, SBI_MENVCFG);
      this.setSlot(PMPCFG0, SBI_PMPCFG0);
      this.setSlot(PMPADDR0, SBI_PMPADDR0);
      this.view.setUint32(this.base + H_PRIV, 1, true);
    }
    this.cpu.resume();
  }

  /** Executes up to `budget` instructions; see HartExit. Pending interrupts are taken first. */
  run(budget: number): HartExit {
    const exit = EXITS[this.cpu.run(budget)];
    if (!exit) throw new Error('cpu.wasm returned an unknown exit reason: it does not belong to this build');
    return exit;
  }

  /** Asks for the translation of code to which so many jumps have come (translator/requests); 0: of none. */
  translateAfter(jumps: number): void {
    this.cpu.setThreshold(jumps);
  }

  /** Takes translated code into use. */
  install(translated: TranslatedModule): void {
    this.codeTable.install(translated);
  }

  /** Integer register i (0 to 31), unsigned. */
  x(i: number): bigint {
    return this.view.getBigUint64(this.base + H_X + 8 * i, true);
  }

  /** Sets integer register i; x0 stays zero. */
  setX(i: number, value: bigint): void {
    if (i > 0) this.view.setBigUint64(this.base + H_X + 8 * i, value, true);
  }

  /** Bits of floating-point register i (0 to 31). */
  f(i: number): bigint {
    return this.view.getBigUint64(this.base + H_F + 8 * i, true);
  }

  /** Sets floating-point register i, whatever mstatus.FS says, and leaves that as it is. */
  setF(i: number, bits: bigint): void {
    this.view.setBigUint64(this.base + H_F + 8 * i, bits, true);
  }

  get pc(): bigint {
    return this.view.getBigUint64(this.base + H_PC, true);
  }

  set pc(value: bigint) {
    this.view.setBigUint64(this.base + H_PC, value, true);
  }

  /** True while STIP follows the comparator in H_STIMECMP (menvcfg.STCE); else it is the firmware's. */
  get hasSupervisorTimer(): boolean {
    return this.view.getInt32(this.base + H_CSR + 8 * MENVCFG + 4, true) < 0;
  }

  /** Instructions retired since reset; minstret begins there. */
  get instret(): bigint {
    return this.view.getBigUint64(this.base + H_INSTRET, true);
  }

  /** The CSR with that number (Privileged spec, chapter 2), whatever the current privilege. Throws if there is none. */
  csr(number: number): bigint {
    this.checkCsr(number);
    return BigInt.asUintN(64, this.cpu.readCsr(number));
  }

  /** Writes a CSR as an instruction in M-mode would: fields that are read-only or take no such value keep theirs. */
  setCsr(number: number, value: bigint): void {
    this.checkCsr(number);
    this.cpu.writeCsr(number, value);
  }

  /** Forgets the write TLB, so that the next store to each page sets the dirty log again. */
  flushWrites(): void {
    this.cpu.flushWrites();
  }

  /**
   * Remote fences: SFENCE.VMA for each page of the range; without one, SFENCE.VMA for all addresses and FENCE.I: the hart
   * sees page tables and code as they are now.
   */
  fence(range?: FenceRange): void {
    if (!range) return this.cpu.fence();
    for (let page = 0; page < range.pages; page++) {
      this.cpu.flushAddress(BigInt.asIntN(64, range.start + BigInt(page * PAGE_SIZE)));
    }
  }

  /** The hart's state, between two calls of `run`. A reservation (LR) is not part of it: the next SC fails. */
  save(): HartState {
    return readHartState(this.view, this.hartId);
  }

  /** Becomes the hart that was saved. Throws a RangeError that names what is wrong; nothing has changed then. */
  restore(state: HartState): void {
    const values = checkHartState(state);
    this.cpu.reset();
    writeHartState(this.view, this.hartId, values);
    this.cpu.resume();
  }

  private slot(slot: number): bigint {
    return this.view.getBigUint64(this.base + H_CSR + 8 * slot, true);
  }

  private setSlot(slot: number, value: bigint): void {
    this.view.setBigUint64(this.base + H_CSR + 8 * slot, value, true);
  }

  private checkCsr(number: number): void {
    if (!this.cpu.csrExists(number)) throw new RangeError(`hart ${this.hartId} has no CSR 0x${number.toString(16)}`);
  }
}
