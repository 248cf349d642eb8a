/** The table of a hart's instance, from which its run loop calls translated code. */
import { MAX_TRANSLATED } from '../cpu/translation-area.js';
import type { TranslatedModule } from './translator.js';

/** What of the hart module this needs; see cpu/translated. */
export interface TranslatedExports {
  readonly table: WebAssembly.Table;
  install(place: bigint, version: number, code: number): number;
  installed(place: bigint, version: number): number;
  forgetTranslated(): void;
}

/** Tables grow in steps, since each copies the table. */
const STEP = 512;

export class CodeTable {
  /** Number 0 means no code. */
  private next = 1;

  constructor(
    private readonly cpu: TranslatedExports,
    private readonly memory: WebAssembly.Memory,
  ) {}

  /** Makes the module's functions known to the run loop, except those whose code has changed since. */
  install({ module, code }: TranslatedModule): void {
    if (code.every(({ place, version }) => this.cpu.installed(BigInt(place), version))) return;
    if (this.next + code.length > MAX_TRANSLATED) this.clear();
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    code.forEach(({ place, version }, index) => {
      if (this.next >= this.cpu.table.length) this.cpu.table.grow(STEP);
      this.cpu.table.set(this.next, exports[String(index)]);
      if (this.cpu.install(BigInt(place), version, this.next)) this.next++;
    });
  }

  private clear(): void {
    this.cpu.forgetTranslated();
    for (let code = 1; code < this.next; code++) this.cpu.table.set(code, null);
    this.next = 1;
  }
}
