/**
 * What a hart's thread does all its life: run slices of guest code, and between them serve attention, park while the
 * guest is stopped, keep timers, wait when the guest waits, answer SBI calls. It blocks its thread and never returns.
 */
import { demandAttention, serveAttention } from './attention.js';
import { GuestClock } from './clock.js';
import { Clint } from './devices/clint.js';
import { Hart, type HartPorts } from './hart.js';
import { answerSbi, completeStart } from './hart-sbi.js';
import { MIP_MTIP, MIP_STIP, setPending } from './interrupts.js';
import {
  ATTENTION_FENCE,
  ATTENTION_FLUSH_WRITES,
  ATTENTION_HSM,
  ATTENTION_INTERRUPT,
  ATTENTION_RELOAD,
  H_ATTENTION,
  H_BUSY_NS,
  H_HSM,
  H_MIP,
  H_MISSING,
  H_MTIMECMP,
  H_QUIET,
  H_STIMECMP,
  H_WAKE,
  MACHINE,
  M_PARKED,
  M_POLLING,
  M_RUNNING,
} from './layout.js';
import { postMail, type Mail } from './mailbox.js';
import { BOARD } from './board.js';
import { GuestMemory } from './memory.js';
import { noteArrival, noteMiss } from './missing-pages.js';
import { leaveFence, takeFence, type FenceRange } from './remote-fence.js';
import { HSM_START_PENDING, HSM_STARTED, HSM_STOPPED, HSM_SUSPENDED } from './sbi.js';
import { add32, add64, compareExchange32, hartBlock, load32, loadU64, notify, or32, store32, wait } from './shared.js';
import { HartRest } from './throttle.js';
import { postedModules } from './translator/requests.js';
import type { TranslatedModule } from './translator/translator.js';

/** How long a slice should take at most: it bounds how late attention and timers are seen. */
const SLICE_NS = 1_000_000n;
/** Instructions a slice; how many fit into its time depends on whether they are translated. */
const MIN_SLICE = 64;
const MAX_SLICE = 2 ** 22;
/** How long a hart that needs a page looks out for it before it sleeps; KVM polls for as long (kvm.halt_poll_ns). */
const POLL_NS = 200_000n;
const MIP = 0x344;
const MIE = 0x304;
const NEVER = 2n ** 64n - 1n;
/** Makes the hart's instance anew from what is in its block. */
type HartFactory = (hartId: number, ports: HartPorts) => Hart;

/** What a hart's thread is given; all of it can be sent to a worker. */
export interface HartThread {
  readonly memory: WebAssembly.Memory;
  /** The compiled hart module (cpu.wasm). */
  readonly hartModule: WebAssembly.Module;
  readonly hartId: number;
}

/** Where translated code arrives in a hart's thread. */
export interface TranslationPort {
  /** As of Hart.translateAfter. */
  readonly translateAfter: number;
  /** Takes the next module that has been posted to this thread. */
  receive(): TranslatedModule | undefined;
}

/** Runs a hart in the calling thread, for ever. `hostNs`: as in MachinePorts. Without `translation` all is interpreted. */
export function runHart(
  { memory, hartModule, hartId }: HartThread,
  hostNs: () => bigint,
  translation?: TranslationPort,
): never {
  const guest = new GuestMemory(memory);
  const newHart: HartFactory = (id, ports) => {
    const hart = new Hart(hartModule, memory, id, ports);
    if (translation) hart.translateAfter(translation.translateAfter);
    return hart;
  };
  return new HartLoop(guest, hartId, new GuestClock(guest, hostNs), hostNs, newHart, translation).run();
}

class HartLoop {
  private readonly block: number;
  private readonly clint: Clint;
  private hart: Hart;
  /** The guest has executed WFI and no interrupt has come since. */
  private waiting = false;
  private slice = MIN_SLICE;
  private sliceStartNs = 0n;
  /** Time of this slice that the thread spent waiting for devices. */
  private mailNs = 0n;
  /** When the hart began to wait for the page in H_MISSING. */
  private missedAtNs = 0n;
  /** Translated modules that have been received. */
  private received = 0;
  private readonly rest: HartRest;

  constructor(
    private readonly memory: GuestMemory,
    private readonly hartId: number,
    private readonly clock: GuestClock,
    private readonly hostNs: () => bigint,
    private readonly newHart: HartFactory,
    private readonly translation: TranslationPort | undefined,
  ) {
    this.block = hartBlock(hartId);
    this.clint = new Clint(memory, clock);
    this.rest = new HartRest(memory, hartId);
    this.hart = newHart(hartId, this.hartPorts());
  }

  run(): never {
    store32(this.memory, this.block + H_QUIET, 0); // up to here there was no thread that could run guest code
    for (;;) this.step();
  }

  /** One turn; may block. */
  private step(): void {
    serveAttention(this.memory, this.hartId, (bits) => this.serve(bits));
    if (load32(this.memory, MACHINE + M_RUNNING) === 0) return this.park();
    const restMs = this.rest.leftMs(this.hostNs());
    if (restMs > 0) return this.sleep(restMs);
    if (load32(this.memory, this.block + H_MISSING) !== 0) return this.awaitPage();
    this.updateTimers();
    const state = load32(this.memory, this.block + H_HSM);
    if (state === HSM_STOPPED || state === HSM_START_PENDING) return this.sleep(Infinity);
    if (this.waiting || state === HSM_SUSPENDED) {
      if ((this.hart.csr(MIP) & this.hart.csr(MIE)) === 0n) return this.sleep(this.msToNextTimer());
      this.waiting = false;
      if (state === HSM_SUSPENDED) store32(this.memory, this.block + H_HSM, HSM_STARTED);
    }
    this.receiveTranslated();
    this.runSlice();
  }

  /** One module at a time, since each takes a moment. */
  private receiveTranslated(): void {
    if (!this.translation || postedModules(this.memory, this.hartId) === this.received) return;
    const translated = this.translation.receive();
    if (!translated) return;
    this.received = (this.received + 1) | 0;
    this.hart.install(translated);
  }

  private runSlice(): void {
    this.sliceStartNs = this.hostNs();
    this.mailNs = 0n;
    const exit = this.hart.run(this.slice);
    const tookNs = this.hostNs() - this.sliceStartNs;
    add64(this.memory, this.block + H_BUSY_NS, tookNs - this.mailNs);
    this.rest.ran(tookNs - this.mailNs);
    if (tookNs > SLICE_NS) this.slice = Math.max(MIN_SLICE, this.slice >> 1);
    else if (exit === 'budget' && tookNs < SLICE_NS / 2n) this.slice = Math.min(MAX_SLICE, this.slice << 1);
    if (exit === 'wfi') this.waiting = true;
    else if (exit === 'sbi') this.answerSbi();
    else if (exit === 'page') this.missPage();
  }

  private serve(bits: number): void {
    if (bits & ATTENTION_RELOAD) {
      this.hart = this.newHart(this.hartId, this.hartPorts());
      this.waiting = false;
      store32(this.memory, this.block + H_MISSING, 0);
    }
    if (bits & ATTENTION_FENCE) {
      const fence = takeFence(this.memory, this.hartId);
      if (fence !== 'nothing') this.hart.fence(fence === 'all' ? undefined : fence);
    }
    if (bits & ATTENTION_FLUSH_WRITES) this.hart.flushWrites();
    if (bits & ATTENTION_HSM) {
      this.waiting = false;
      completeStart(this.memory, this.hart);
    }
  }

  private park(): void {
    store32(this.memory, this.block + H_QUIET, -1);
    add32(this.memory, MACHINE + M_PARKED, 1);
    notify(this.memory, MACHINE + M_PARKED);
    for (;;) {
      const seen = load32(this.memory, this.block + H_WAKE);
      if (load32(this.memory, MACHINE + M_RUNNING) === 1) break;
      wait(this.memory, this.block + H_WAKE, seen);
    }
    add32(this.memory, MACHINE + M_PARKED, -1);
    store32(this.memory, this.block + H_QUIET, 0);
  }

  /** Sleeps until somebody wakes this hart, at most `timeoutMs`; not at all if attention is already asked for. */
  private sleep(timeoutMs: number): void {
    store32(this.memory, this.block + H_QUIET, -1);
    const seen = load32(this.memory, this.block + H_WAKE);
    if (load32(this.memory, this.block + H_ATTENTION) === 0) {
      wait(this.memory, this.block + H_WAKE, seen, timeoutMs);
    }
    store32(this.memory, this.block + H_QUIET, 0);
  }

  /** The page in H_MISSING is needed. */
  private missPage(): void {
    this.missedAtNs = this.hostNs();
    noteMiss(this.memory, this.hartId);
  }

  /** Sleeps until the page has come, or somebody else wakes this hart. It takes no interrupt before the page is there. */
  private awaitPage(): void {
    const { memory, block, hartId } = this;
    const isMissing = () => memory.isMissing(load32(memory, block + H_MISSING) - 1);
    store32(memory, block + H_QUIET, -1);
    const seen = load32(memory, block + H_WAKE);
    const isAsleep = () => isMissing() && load32(memory, block + H_ATTENTION) === 0;
    this.poll(isAsleep);
    if (isAsleep()) wait(memory, block + H_WAKE, seen);
    store32(memory, block + H_QUIET, 0);
    if (!isMissing()) noteArrival(memory, hartId, this.hostNs() - this.missedAtNs);
  }

  /** Waits a moment without sleeping, as long as no other hart does so: a page often comes sooner than a thread wakes up. */
  private poll(isAsleep: () => boolean): void {
    const { memory } = this;
    if (!compareExchange32(memory, MACHINE + M_POLLING, 0, 1)) return;
    const untilNs = this.missedAtNs + POLL_NS;
    while (isAsleep() && this.hostNs() < untilNs) continue;
    store32(memory, MACHINE + M_POLLING, 0);
  }

  /** MTIP and STIP follow their comparators. The SBI and Sstc share the one of STIP, which stays low without Sstc. */
  private updateTimers(): void {
    const ticks = this.clock.ticks();
    const due = (comparator: number) => ticks >= loadU64(this.memory, this.block + comparator);
    this.setOwnPending(MIP_MTIP, due(H_MTIMECMP));
    this.setOwnPending(MIP_STIP, this.hart.hasSupervisorTimer && due(H_STIMECMP));
  }

  private msToNextTimer(): number {
    const machine = loadU64(this.memory, this.block + H_MTIMECMP);
    const supervisor = this.hart.hasSupervisorTimer ? loadU64(this.memory, this.block + H_STIMECMP) : NEVER;
    const next = machine < supervisor ? machine : supervisor;
    return next === NEVER ? Infinity : this.clock.msUntil(next);
  }

  private setOwnPending(bit: number, pending: boolean): void {
    const isPending = (load32(this.memory, this.block + H_MIP) & bit) !== 0;
    if (isPending !== pending) setPending(this.memory, this.hartId, bit, pending);
  }

  private answerSbi(): void {
    answerSbi({
      memory: this.memory,
      hart: this.hart,
      post: (mail) => this.post(mail),
      remoteFence: (harts, range) => this.remoteFence(harts, range),
      missPage: () => this.missPage(),
    });
  }

  private remoteFence(harts: readonly number[], range: FenceRange | undefined): void {
    if (harts.includes(this.hartId)) this.hart.fence(range);
    const others = harts.filter((hart) => hart !== this.hartId);
    for (const hart of others) leaveFence(this.memory, hart, range);
    const serveOwn = () => serveAttention(this.memory, this.hartId, (bits) => this.serve(bits));
    demandAttention(this.memory, others, ATTENTION_FENCE, serveOwn);
  }

  private hartPorts(): HartPorts {
    const clint = BOARD.clint;
    const inClint = (address: number) => address >= clint.base && address < clint.base + clint.size;
    return {
      timeTicks: () => this.clock.ticks(),
      mmioRead: (address, size) => {
        if (inClint(address)) return this.clint.read(address - clint.base, size);
        return this.post({ kind: 'read', address, size, value: 0n });
      },
      mmioWrite: (address, size, value) => {
        if (!inClint(address)) return this.post({ kind: 'write', address, size, value }) !== undefined;
        this.clint.write(address - clint.base, size, value);
        return true;
      },
    };
  }

  private post(mail: Mail): bigint | undefined {
    const startNs = this.hostNs();
    const answer = postMail(this.memory, this.hartId, mail);
    // Asked for while this thread slept, and it goes back into guest code now; the bit stays to be acknowledged.
    if (load32(this.memory, this.block + H_ATTENTION) & ATTENTION_FLUSH_WRITES) this.hart.flushWrites();
    const nowNs = this.hostNs();
    this.mailNs += nowNs - startNs;
    // A slice is measured in instructions, and those that wait for devices take long: it ends here.
    if (nowNs - this.sliceStartNs > SLICE_NS) or32(this.memory, this.block + H_ATTENTION, ATTENTION_INTERRUPT);
    return answer;
  }
}
