/**
 * The destination of a migration after COMMIT, in post-copy: the guest runs, and pages come, those first that somebody
 * waits for. protocol.ts shows the stream; vmm/missing-pages.ts says who waits how.
 */
import { awaitedByHarts, countMisses, layout, nextMiss, noteAsked, pagesArrived, ringMisses } from '#vmm';
import type { GuestMemory } from '#vmm';
import { OverlappedBlockTime } from './block-time.js';
import type { Codec } from './codec.js';
import { MigrationError, asMigrationError } from './errors.js';
import type { Lanes } from './lanes.js';
import { giveUpLanes, loss } from './lanes.js';
import type { Clock } from './ports.js';

/** Most pages in one request. */
const REQUEST_PAGES = 256;
/** How often it is looked whether the source still answers. */
const LOOK_MS = 500;
/** Nothing at all in so many times what one page may take, and the connection counts as lost: bandwidth may be limited. */
const QUIET_PATIENCES = 6;

export type ArrivingStatus = 'postcopy' | 'postcopy_paused' | 'postcopy_recover';

export interface PostcopyDestinationOptions {
  readonly memory: GuestMemory;
  readonly codec: Codec;
  readonly clock: Clock;
  /** How long a page that was asked for may take. */
  readonly patienceMs: number;
  /** How long a pause may last. */
  readonly recoverMs: () => number;
  readonly onStatus: (status: ArrivingStatus, error: MigrationError | null) => void;
}

export class PostcopyDestination {
  private lanes: Lanes | null = null;
  /** How to open new connections, when somebody has come for that. */
  private offer: (() => Promise<Lanes>) | null = null;
  private onOffer: (() => void) | null = null;
  private abandon: (() => void) | null = null;
  /** Pages that were asked for over the present connections, with when. */
  private readonly asked = new Map<number, number>();
  /** When a page came last over them. */
  private arrivedAtMs = 0;
  /** Pages that devices wait for. */
  private readonly devices = new Set<number>();
  private isBreathing = false;
  private readonly blockTime = new OverlappedBlockTime();
  private settleCompleted!: () => void;
  private readonly completed = new Promise<void>((resolve) => (this.settleCompleted = resolve));

  constructor(private readonly options: PostcopyDestinationOptions) {}

  /** For how long all harts at once have waited for pages. */
  get overlappedBlockMs(): number {
    return this.blockTime.at(this.options.clock.now());
  }

  /**
   * Resolves when everything is here. `first`: the connections, or why there are none. Rejects with MigrationError
   * `source_lost` when a pause was given up, or lasted too long.
   */
  async run(first: Lanes | MigrationError): Promise<void> {
    let error = first instanceof MigrationError ? first : await this.receive(first);
    while (error && !this.options.memory.isComplete) error = await this.receive(await this.recovered(error));
  }

  /** Devices need these pages. */
  request(pages: readonly number[]): void {
    for (const page of pages) this.devices.add(page);
    this.ask();
  }

  /** Gives the connections up, as if they were lost. False if there are none. */
  pause(): boolean {
    if (!this.lanes) return false;
    this.lanes.main.fail(new MigrationError('paused', 'paused by request'));
    return true;
  }

  /** Goes on over new connections, which `open` opens. False if there are connections, or others are being opened. */
  recover(open: () => Promise<Lanes>): boolean {
    if (this.lanes || this.offer) return false;
    this.offer = open;
    this.onOffer?.();
    return true;
  }

  /** Waits no longer for what is missing: the guest is lost. False if it is not paused. */
  giveUp(): boolean {
    const { abandon } = this;
    abandon?.();
    return abandon !== null;
  }

  /** Takes a batch of pages whose form has been checked. */
  take(payload: number): void {
    const { memory, codec } = this.options;
    const placed = codec.placePages(layout.RAM, layout.MISSING, payload);
    if (placed < 0) throw new MigrationError('malformed', 'a delta came for a page that is missing');
    if (placed > 0) pagesArrived(memory, placed);
    this.arrivedAtMs = this.options.clock.now();
    for (const page of this.asked.keys()) if (!memory.isMissing(page)) this.asked.delete(page);
    for (const page of this.devices) if (!memory.isMissing(page)) this.devices.delete(page);
    this.noteBlocking();
    this.ask(); // sooner than the doorbell is heard, if much comes
    void this.breathe();
    if (memory.isComplete) this.settleCompleted();
  }

  /** Takes no more in the background before others had their turn, nor as long as somebody waits for a page. */
  private async breathe(): Promise<void> {
    const { lanes } = this;
    if (!lanes || this.isBreathing) return;
    this.isBreathing = true;
    lanes.main.hold();
    await this.options.clock.breathe();
    this.isBreathing = false;
    if (this.asked.size === 0) lanes.main.goOn();
  }

  /** Null when everything is here, or why the connections are of no use any more. */
  private async receive(lanes: Lanes): Promise<MigrationError | null> {
    this.lanes = lanes;
    this.asked.clear();
    this.arrivedAtMs = this.options.clock.now();
    this.options.onStatus('postcopy', null);
    const ended = new AbortController();
    const lost = loss(lanes);
    const watching = this.watchMisses(ended.signal);
    const answered = this.watchAnswers(ended.signal);
    try {
      await Promise.race([this.completed, lost, answered, watching]);
      lanes.main.send('COMPLETE', {});
      await lanes.main.close(); // first: on its own connection the end of the other would overtake that word
      await lanes.urgent.close();
      return null;
    } catch (thrown) {
      const error = asMigrationError(thrown, 'machine');
      await giveUpLanes(lanes, error);
      return error;
    } finally {
      this.lanes = null;
      ended.abort();
      ringMisses(this.options.memory);
      await Promise.allSettled([watching, answered]);
    }
  }

  /** Waits for new connections; says in between why there are none. */
  private async recovered(cause: MigrationError): Promise<Lanes> {
    const { clock, recoverMs, onStatus } = this.options;
    let error = cause;
    const deadlineMs = clock.now() + recoverMs();
    for (;;) {
      onStatus('postcopy_paused', error);
      const open = await this.nextOffer(deadlineMs, error);
      onStatus('postcopy_recover', error);
      try {
        return await open();
      } catch (thrown) {
        error = asMigrationError(thrown, 'machine');
      } finally {
        this.offer = null;
      }
    }
  }

  private async nextOffer(deadlineMs: number, cause: MigrationError): Promise<() => Promise<Lanes>> {
    const { clock } = this.options;
    const told = new AbortController();
    const lost = (why: string) =>
      new MigrationError(
        'source_lost',
        `pages of the guest stayed at its source: ${why}; before that: ${cause.message}`,
      );
    const late = clock.sleep(Math.max(0, deadlineMs - clock.now()), told.signal).then(() => {
      throw lost('nobody came with them in time');
    });
    const abandoned = new Promise<never>((_, reject) => (this.abandon = () => reject(lost('they were given up'))));
    const offered = new Promise<void>((resolve) => (this.onOffer = resolve));
    try {
      if (!this.offer) await Promise.race([offered, late, abandoned]);
      return this.offer!;
    } finally {
      this.abandon = null;
      this.onOffer = null;
      told.abort();
      late.catch(() => undefined); // the sleep that was cut short
    }
  }

  /** Asks for what harts need, as soon as they do. */
  private async watchMisses(signal: AbortSignal): Promise<void> {
    const { memory } = this.options;
    while (!signal.aborted) {
      const seen = countMisses(memory);
      this.noteBlocking();
      this.ask();
      await nextMiss(memory, seen);
    }
  }

  /** Rejects when a page that was asked for does not come, or none at all. */
  private async watchAnswers(signal: AbortSignal): Promise<void> {
    const { clock, patienceMs } = this.options;
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      const [oldest] = this.asked.entries();
      const waits = (sinceMs: number, ms: number) => clock.now() - sinceMs >= ms;
      const late = (what: string, ms: number) =>
        new MigrationError('timeout', `the source did not send ${what} within ${ms / 1000} s`);
      if (oldest && waits(oldest[1], patienceMs)) throw late(`page ${oldest[0]}`, patienceMs);
      const quietMs = QUIET_PATIENCES * patienceMs;
      if (waits(this.arrivedAtMs, quietMs)) throw late('any page', quietMs);
    }
  }

  private ask(): void {
    const { lanes } = this;
    if (!lanes || lanes.urgent.signal.aborted) return;
    const { memory, clock } = this.options;
    const isDue = (page: number) => !this.asked.has(page) && memory.isMissing(page);
    const ofHarts = awaitedByHarts(memory).filter(({ page }) => isDue(page));
    const pages = [...new Set([...ofHarts.map(({ page }) => page), ...[...this.devices].filter(isDue)])];
    if (pages.length === 0) return;
    for (const { hart, page } of ofHarts) noteAsked(memory, hart, page);
    lanes.main.hold();
    for (const page of pages) this.asked.set(page, clock.now());
    for (let from = 0; from < pages.length; from += REQUEST_PAGES) {
      lanes.urgent.send('REQUEST', { pages: pages.slice(from, from + REQUEST_PAGES) });
    }
  }

  private noteBlocking(): void {
    const { memory, clock } = this.options;
    const waiting = awaitedByHarts(memory).filter(({ page }) => memory.isMissing(page));
    this.blockTime.note(clock.now(), waiting.length === memory.harts);
  }
}
