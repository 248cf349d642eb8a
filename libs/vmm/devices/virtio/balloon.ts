/**
 * The memory balloon (virtio 1.2, section 5.5): the driver gives pages up (inflate) until the guest is as small as the
 * host wishes, takes them again (deflate), says which free pages it does not need for now (reporting), and tells
 * statistics when it is asked. What it gives up goes back to the host and reads as zero from then on.
 */
import { PAGE_SIZE } from '../../layout.js';
import { checkFields } from '../device.js';
import { readBalloonStats, type BalloonStats } from './balloon-stats.js';
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { gather, spanBytes, VirtioError, type Chain, type Span } from './queue.js';

const INFLATE = 0;
const DEFLATE = 1;
const STATS = 2;
/**
 * Free-page reporting is queue 4 of the specification; drivers that count only the queues of offered features, Linux
 * among them, use 3. Hinting, to which 3 would belong, is not offered, so both mean reporting here.
 */
const REPORTING = [3, 4];

const F_STATS_VQ = 1n << 1n;
const F_DEFLATE_ON_OOM = 1n << 2n;
const F_PAGE_POISON = 1n << 4n;
const F_PAGE_REPORTING = 1n << 5n;

// Configuration space (section 5.5.4).
const CONFIG_SIZE = 16;
const NUM_PAGES = 0;
const ACTUAL = 4;
const POISON_VALUE = 12;

/** Page numbers of one request: more than any driver sends at once. */
const MAX_REQUEST_BYTES = 64 * 1024;
const WORD = 0xffff_ffff;

export interface BalloonPorts {
  /** Gives whole pages of guest memory back to the host, after which they read as zero; false if it cannot. */
  giveBack(bytes: Uint8Array): boolean;
  /** The guest has this much memory now. */
  changed(actualBytes: number): void;
  /** The driver has told statistics. */
  told(stats: BalloonStats): void;
}

export interface BalloonFeatures {
  /** The driver may take pages back by itself when the guest runs out of memory. */
  readonly deflateOnOom: boolean;
  readonly freePageReporting: boolean;
}

export interface BalloonState {
  /** Pages that the driver is asked to give up, and those that it says it has. */
  readonly targetPages: number;
  readonly actualPages: number;
  readonly poisonValue: number;
  /** Head of the chain in which the driver waits to be asked for statistics; -1 if there is none. */
  readonly statsHead: number;
}

export class VirtioBalloon implements VirtioDevice<BalloonState> {
  readonly deviceId = 5;
  readonly features: bigint;
  readonly queueSizes = [128, 128, 128, 128, 128];
  /** Bytes that went back to the host since the VMM started; the guest may use the same page again and again. */
  givenBackBytes = 0;
  private slot!: VirtioSlot;
  private targetPages = 0;
  private actualPages = 0;
  private poisonValue = 0;
  private statsChain: Chain | undefined;
  private quiet = false;

  constructor(
    { deflateOnOom, freePageReporting }: BalloonFeatures,
    private readonly ports: BalloonPorts,
  ) {
    const optional = (deflateOnOom ? F_DEFLATE_ON_OOM : 0n) | (freePageReporting ? F_PAGE_REPORTING : 0n);
    this.features = F_STATS_VQ | F_PAGE_POISON | optional;
  }

  attach(slot: VirtioSlot): void {
    this.slot = slot;
  }

  /** Memory that the guest has, as its driver says. */
  get actualBytes(): number {
    const { ramBytes, ramPages } = this.slot.memory;
    return ramBytes - Math.min(this.actualPages, ramPages) * PAGE_SIZE;
  }

  /** Asks the guest to be as small as that, or as large again; what exceeds its RAM means all of it. */
  setTarget(bytes: number): void {
    const { ramBytes } = this.slot.memory;
    this.targetPages = Math.floor((ramBytes - Math.min(bytes, ramBytes)) / PAGE_SIZE);
    this.slot.configChanged();
  }

  /** Asks the driver for statistics, if it waits for that; which then come by `told`. */
  requestStats(): void {
    if (this.quiet) return;
    this.slot.run(() => this.answerStats());
  }

  readConfig(offset: number, size: number): number {
    return readConfigBytes(this.config(), offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    const bytes = this.config();
    for (let i = 0; i < size; i++) bytes[offset + i] = value >>> (8 * i); // beyond its end nothing is stored
    const config = new DataView(bytes.buffer);
    if (this.slot.features & F_PAGE_POISON) this.poisonValue = config.getUint32(POISON_VALUE, true);
    this.setActual(config.getUint32(ACTUAL, true));
  }

  notified(queue: number): void {
    const requests = this.slot.queues[queue]!;
    if (queue === DEFLATE)
      this.serve(queue, () => undefined); // pages come back by being used
    else if (queue === INFLATE) this.serve(queue, (chain) => this.inflate(chain));
    else if (REPORTING.includes(queue)) this.serve(queue, (chain) => this.takeReport(chain));
    else if (queue === STATS) for (let chain = requests.pop(); chain; chain = requests.pop()) this.takeStats(chain);
  }

  reset(): void {
    this.poisonValue = 0;
    this.statsChain = undefined;
    this.setActual(0);
  }

  quiesce(): Promise<void> {
    this.quiet = true;
    return Promise.resolve();
  }

  resume(): void {
    this.quiet = false;
  }

  save(): BalloonState {
    const { targetPages, actualPages, poisonValue, statsChain } = this;
    return { targetPages, actualPages, poisonValue, statsHead: statsChain?.head ?? -1 };
  }

  restore(state: BalloonState): void {
    checkFields('balloon', { ...state }, { targetPages: WORD, actualPages: WORD, poisonValue: WORD });
    const { targetPages, actualPages, poisonValue, statsHead } = state;
    checkFields('balloon', { statsHead: statsHead === -1 ? 0 : statsHead }, { statsHead: 0xffff });
    Object.assign(this, { targetPages, actualPages, poisonValue });
    this.statsChain = statsHead === -1 ? undefined : { head: statsHead, readable: [], writable: [] };
    this.quiet = true;
  }

  private config(): Uint8Array<ArrayBuffer> {
    const config = new DataView(new ArrayBuffer(CONFIG_SIZE));
    config.setUint32(NUM_PAGES, this.targetPages, true);
    config.setUint32(ACTUAL, this.actualPages, true);
    config.setUint32(POISON_VALUE, this.poisonValue, true);
    return new Uint8Array(config.buffer);
  }

  private setActual(pages: number): void {
    if (pages === this.actualPages) return;
    this.actualPages = pages;
    this.ports.changed(this.actualBytes);
  }

  private serve(queue: number, take: (chain: Chain) => void): void {
    const requests = this.slot.queues[queue]!;
    for (let chain = requests.pop(); chain; chain = requests.pop()) {
      take(chain);
      requests.push(chain, 0);
    }
  }

  private inflate({ readable }: Chain): void {
    if (spanBytes(readable) > MAX_REQUEST_BYTES) throw new VirtioError(`page numbers of ${spanBytes(readable)} bytes`);
    const list = gather(this.slot.memory, readable);
    for (const run of runsOf(new Uint32Array(list.buffer, 0, list.length >>> 2))) {
      if (!this.slot.memory.isRam(run.address, run.size)) {
        throw new VirtioError(`page 0x${run.address.toString(16)} of the balloon is not RAM`);
      }
      this.giveBack(run);
    }
  }

  /** Free pages that the guest fills with a value of its own must not become zero (section 5.5.6.4.2). */
  private takeReport({ writable }: Chain): void {
    if (this.slot.features & F_PAGE_POISON && this.poisonValue !== 0) return;
    for (const { address, size } of writable) {
      const from = Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;
      const to = Math.floor((address + size) / PAGE_SIZE) * PAGE_SIZE;
      if (to > from) this.giveBack({ address: from, size: to - from });
    }
  }

  /**
   * Zero is new content: a migration that has sent the pages already must send them again. In post-copy nothing is given
   * back, since the page may be on its way (as in QEMU, virtio_balloon_inhibited).
   */
  private giveBack({ address, size }: Span): void {
    const { memory } = this.slot;
    if (!memory.isComplete) return;
    if (!this.ports.giveBack(memory.view8(address, size))) return;
    memory.written(address, size);
    this.givenBackBytes += size;
  }

  /** The driver tells statistics in a chain, and waits in it until it is to tell them again. */
  private takeStats(chain: Chain): void {
    this.answerStats();
    this.statsChain = chain;
    this.ports.told(readBalloonStats(this.slot.memory, chain.readable));
  }

  private answerStats(): void {
    const chain = this.statsChain;
    if (!this.slot.queues[STATS]!.isHere) return; // another time
    this.statsChain = undefined;
    if (chain) this.slot.queues[STATS]!.push(chain, 0);
  }
}

/** Guest-physical runs of the pages with these numbers, rising. */
function runsOf(pages: Uint32Array): Span[] {
  const runs: { address: number; size: number }[] = [];
  for (const page of pages.toSorted()) {
    const last = runs.at(-1);
    const address = page * PAGE_SIZE;
    if (last && address <= last.address + last.size) last.size = address + PAGE_SIZE - last.address;
    else runs.push({ address, size: PAGE_SIZE });
  }
  return runs;
}
