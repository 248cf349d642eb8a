/**
 * Makes translated modules of what harts ask for. It decides what is translated together, keeps what it has made for
 * harts that ask again, and sees to it that a module is made from code that is really there, by the rules of
 * cpu/code-pages: CODE_VERSION is noted, then the page's CODE bit is set, then every hart forgets its write TLB, then
 * the code is read. From then on no store to the page can happen without making the version grow; and code from a
 * version that has passed is never entered.
 */
import { CODE, CODE_VERSION, EXPANSIONS, RAM } from '../layout.js';
import type { GuestMemory } from '../memory.js';
import { load32, or32 } from '../shared.js';
import { PAGE_BYTES, formRegion, type CodePage } from './region.js';
import type { TranslationRequest } from './requests.js';
import { translate } from './translate.js';

/** A compiled module; its export with the name of an index in `code` is the function for that place. */
export interface TranslatedModule {
  readonly module: WebAssembly.Module;
  readonly code: readonly { readonly place: number; readonly version: number }[];
}

export interface TranslatorPorts {
  /** May take its time: guest code runs on meanwhile. */
  compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  /** Makes every hart forget its write TLB; returns when none can store through an old entry any more. */
  flushWrites(): void;
}

/** Guest instructions in one region. Larger ones are entered less often, and take longer to compile. */
const MAX_INSTRUCTIONS = 400;
/** Regions in one module: a module costs time of its own, but one with many keeps the first of them waiting. */
const MAX_REGIONS = 32;
const MOST_IGNORED = 1000;
/** Places that are remembered; then all are forgotten, and made again when they are asked for again. */
const MAX_KNOWN = 0x4000;

const pageOf = (place: number): number => Math.floor(place / PAGE_BYTES);

interface Known {
  readonly version: number;
  /** How often it has been made. */
  readonly times: number;
  /** Requests that will be ignored if the version is another one by then. */
  ignored: number;
  /** Absent if there is nothing to translate. */
  readonly translated?: TranslatedModule;
}

export class Translator {
  private readonly known = new Map<number, Known>();
  /** Of pages that all harts have dropped from their write TLBs: the version that they had then. */
  private readonly settled = new Map<number, number>();
  private readonly expansions: Uint32Array;

  constructor(
    private readonly memory: GuestMemory,
    private readonly ports: TranslatorPorts,
  ) {
    this.expansions = new Uint32Array(memory.memory.buffer, EXPANSIONS, 0x1_0000);
  }

  /**
   * Modules for these requests: new ones for all harts first, then those that a hart must have lost, since it asks for
   * what had been made. May block until every hart has looked at its attention.
   */
  translate(requests: readonly TranslationRequest[]): {
    forAll: TranslatedModule[];
    again: Map<number, Set<TranslatedModule>>;
  } {
    const again = new Map<number, Set<TranslatedModule>>();
    const wanted = new Set<number>();
    for (const { hart, place } of requests) {
      const known = this.known.get(place);
      if (known?.version !== this.version(pageOf(place))) {
        if (known && known.ignored > 0) known.ignored--;
        else wanted.add(place);
      } else if (known.translated) {
        if (!again.has(hart)) again.set(hart, new Set());
        again.get(hart)!.add(known.translated);
      }
    }
    return { forAll: this.make([...wanted]), again };
  }

  private make(places: readonly number[]): TranslatedModule[] {
    if (this.known.size + places.length > MAX_KNOWN) this.known.clear();
    const pages = this.read(new Set(places.map(pageOf)));
    const regions = places.flatMap((place) => {
      const page = pages.get(pageOf(place));
      if (!page) return []; // it is being written
      const region = formRegion(page.code, place % PAGE_BYTES, MAX_INSTRUCTIONS);
      if (!region) this.remember(place, page.version);
      return region ? [{ place, version: page.version, region }] : [];
    });
    const modules: TranslatedModule[] = [];
    for (let first = 0; first < regions.length; first += MAX_REGIONS) {
      const part = regions.slice(first, first + MAX_REGIONS);
      const module = this.ports.compile(
        translate(
          part.map(({ region }) => region),
          { addresses: this.memory.addresses },
        ),
      );
      const translated = { module, code: part.map(({ place, version }) => ({ place, version })) };
      for (const { place, version } of part) this.remember(place, version, translated);
      modules.push(translated);
    }
    return modules;
  }

  /** Each time that code must be made again because it was overwritten, it must be asked for twice as often. */
  private remember(place: number, version: number, translated?: TranslatedModule): void {
    const times = (this.known.get(place)?.times ?? 0) + 1;
    const ignored = Math.min(2 ** (times - 1) - 1, MOST_IGNORED);
    this.known.set(place, { version, times, ignored, ...(translated && { translated }) });
  }

  /** Copies of pages, with the version that they are of; without those that change meanwhile. */
  private read(pages: ReadonlySet<number>): Map<number, { version: number; code: CodePage }> {
    const versions = new Map([...pages].map((page) => [page, this.version(page)]));
    const unsettled = [...pages].filter((page) => !this.isSettled(page, versions.get(page)!));
    if (unsettled.length > 0) this.ports.flushWrites();
    for (const page of unsettled) this.settled.set(page, versions.get(page)!);
    const copies = new Map<number, { version: number; code: CodePage }>();
    for (const [page, version] of versions) {
      const start = RAM + page * PAGE_BYTES;
      const bytes = new DataView(this.memory.bytes.slice(start, start + PAGE_BYTES).buffer);
      if (this.version(page) !== version) continue;
      copies.set(page, { version, code: { bytes, expansions: this.expansions } });
    }
    return copies;
  }

  /** Sets the page's CODE bit. True if since that version no hart can have the page in its write TLB. */
  private isSettled(page: number, version: number): boolean {
    const bit = 1 << (page & 31);
    const wasCode = (or32(this.memory, CODE + (page >>> 5) * 4, bit) & bit) !== 0;
    // Of one hart alone it is certain: it drops a page from its write TLB when it sets the bit (rule 1).
    return wasCode && (this.memory.harts === 1 || this.settled.get(page) === version);
  }

  private version(page: number): number {
    return load32(this.memory, CODE_VERSION + page * 4);
  }
}
