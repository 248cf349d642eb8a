/**
 * The platform-level interrupt controller (RISC-V PLIC spec 1.0.0). Two contexts a hart, as on QEMU's `virt` board:
 * 2 * hart is its M-mode, 2 * hart + 1 its S-mode. Sources are level-triggered: a source whose line is still high when
 * the guest completes it becomes pending again.
 */
import { checkFields, checkList, type Device } from './device.js';

/** Interrupt sources 1 to 95, as many as QEMU's board tells its guests of. */
export const PLIC_SOURCES = 95;
const WORDS = Math.ceil((PLIC_SOURCES + 1) / 32);
const MAX_PRIORITY = 7;

const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const THRESHOLD = 0;
const CLAIM = 4;

export interface PlicPorts {
  /** The external-interrupt line of a context has this level now. */
  interrupt(hart: number, mode: 'M' | 'S', level: boolean): void;
}

export interface PlicState {
  readonly priority: readonly number[];
  /** Bitmaps of sources, 32 a word. */
  readonly level: readonly number[];
  readonly pending: readonly number[];
  readonly claimed: readonly number[];
  readonly contexts: readonly { readonly enable: readonly number[]; readonly threshold: number }[];
}

interface Context {
  readonly enable: Uint32Array;
  threshold: number;
  level: boolean;
}

export class Plic implements Device<PlicState> {
  private readonly priority = new Uint32Array(PLIC_SOURCES + 1);
  private readonly level = new Uint32Array(WORDS);
  private readonly pending = new Uint32Array(WORDS);
  private readonly claimed = new Uint32Array(WORDS);
  private readonly contexts: Context[];

  constructor(
    harts: number,
    private readonly ports: PlicPorts,
  ) {
    this.contexts = Array.from({ length: harts * 2 }, newContext);
  }

  /** Sets the level of a device's interrupt line (source 1 to PLIC_SOURCES). */
  setLevel(source: number, level: boolean): void {
    setBit(this.level, source, level);
    if (!level) setBit(this.pending, source, false);
    else if (!bit(this.claimed, source)) setBit(this.pending, source, true);
    this.updateLines();
  }

  read(offset: number): number {
    if (offset < PENDING) return this.priority[offset >> 2] ?? 0;
    if (offset < ENABLE) return this.pending[(offset - PENDING) >> 2] ?? 0;
    if (offset < CONTEXT) return this.enableWord(offset)?.read() ?? 0;
    const context = this.contexts[Math.floor((offset - CONTEXT) / CONTEXT_STRIDE)];
    if (!context) return 0;
    const register = (offset - CONTEXT) % CONTEXT_STRIDE;
    if (register === THRESHOLD) return context.threshold;
    return register === CLAIM ? this.claim(context) : 0;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset < PENDING) {
      const source = offset >> 2;
      if (source >= 1 && source <= PLIC_SOURCES) this.priority[source] = value & MAX_PRIORITY;
    } else if (offset >= ENABLE && offset < CONTEXT) {
      this.enableWord(offset)?.write(value);
    } else if (offset >= CONTEXT) {
      const context = this.contexts[Math.floor((offset - CONTEXT) / CONTEXT_STRIDE)];
      const register = (offset - CONTEXT) % CONTEXT_STRIDE;
      if (context && register === THRESHOLD) context.threshold = value & MAX_PRIORITY;
      else if (context && register === CLAIM) this.complete(context, value);
    }
    this.updateLines();
  }

  reset(): void {
    this.priority.fill(0);
    this.pending.set(this.level);
    this.claimed.fill(0);
    for (const context of this.contexts) {
      context.enable.fill(0);
      context.threshold = 0;
    }
    this.updateLines();
  }

  save(): PlicState {
    const contexts = this.contexts.map(({ enable, threshold }) => ({ enable: [...enable], threshold }));
    const { priority, level, pending, claimed } = this;
    return { priority: [...priority], level: [...level], pending: [...pending], claimed: [...claimed], contexts };
  }

  restore(state: PlicState): void {
    checkList('plic', 'priority', state.priority, MAX_PRIORITY, PLIC_SOURCES + 1);
    for (const name of ['level', 'pending', 'claimed'] as const) {
      checkList('plic', name, state[name], 0xffff_ffff, WORDS);
    }
    if (state.contexts.length !== this.contexts.length) {
      throw new RangeError(`plic state: ${state.contexts.length} contexts, this machine has ${this.contexts.length}`);
    }
    for (const context of state.contexts) {
      checkList('plic', 'enable', context.enable, 0xffff_ffff, WORDS);
      checkFields('plic', context, { threshold: MAX_PRIORITY });
    }
    this.priority.set(state.priority);
    this.level.set(state.level);
    this.pending.set(state.pending);
    this.claimed.set(state.claimed);
    this.contexts.forEach((context, index) => {
      context.enable.set(state.contexts[index]!.enable);
      context.threshold = state.contexts[index]!.threshold;
    });
    this.updateLines();
  }

  private enableWord(offset: number): { read(): number; write(value: number): void } | undefined {
    const context = this.contexts[Math.floor((offset - ENABLE) / ENABLE_STRIDE)];
    const word = ((offset - ENABLE) % ENABLE_STRIDE) >> 2;
    if (!context || word >= WORDS) return undefined;
    return {
      read: () => context.enable[word]!,
      write: (value) => (context.enable[word] = word === 0 ? value & ~1 : value), // source 0 does not exist
    };
  }

  /** The pending, enabled source of the highest priority, the lowest number among equals; 0 if there is none. */
  private best(context: Context): number {
    let best = 0;
    for (let word = 0; word < WORDS; word++) {
      const candidates = this.pending[word]! & context.enable[word]!;
      if (candidates === 0) continue;
      for (let source = word * 32; source < (word + 1) * 32; source++) {
        if ((candidates >>> (source & 31)) & 1 && this.priority[source]! > this.priority[best]!) best = source;
      }
    }
    return best;
  }

  private claim(context: Context): number {
    const source = this.best(context);
    if (source > 0) {
      setBit(this.pending, source, false);
      setBit(this.claimed, source, true);
      this.updateLines();
    }
    return source;
  }

  private complete(context: Context, source: number): void {
    if (source < 1 || source > PLIC_SOURCES || !bit(context.enable, source)) return; // ignored, as the spec asks
    setBit(this.claimed, source, false);
    if (bit(this.level, source)) setBit(this.pending, source, true);
  }

  private updateLines(): void {
    this.contexts.forEach((context, index) => {
      const level = this.priority[this.best(context)]! > context.threshold;
      if (level === context.level) return;
      context.level = level;
      this.ports.interrupt(index >> 1, index & 1 ? 'S' : 'M', level);
    });
  }
}

const newContext = (): Context => ({ enable: new Uint32Array(WORDS), threshold: 0, level: false });

const bit = (words: Uint32Array, index: number): boolean => ((words[index >> 5]! >>> (index & 31)) & 1) === 1;

function setBit(words: Uint32Array, index: number, value: boolean): void {
  const mask = 1 << (index & 31);
  words[index >> 5] = value ? words[index >> 5]! | mask : words[index >> 5]! & ~mask;
}
