/** What the engine's tests share: the codec, a clock, a connection in memory, a machine whose one hart is a thread of ours. */
import { readFileSync } from 'node:fs';
import { setImmediate as immediately, setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { bindCodec, pour } from '#migration';
import type { Channel, Clock, Codec, DestinationMachine, Inlet, SourceMachine } from '#migration';
import { GuestMemory, layout, type AddressType } from '#vmm';

const CODECS: Readonly<Record<AddressType, string>> = { i32: 'codec.wasm', i64: 'codec64.wasm' };
const codecModules = new Map<AddressType, WebAssembly.Module>();

export function codecOf({ memory, addresses }: GuestMemory): Codec {
  const file = new URL(`../../dist/libs/migration/codec/${CODECS[addresses]}`, import.meta.url);
  const module = codecModules.get(addresses) ?? new WebAssembly.Module(readFileSync(file));
  codecModules.set(addresses, module);
  return bindCodec(module, memory, addresses);
}

export const realClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    sleep(ms, undefined, { signal }).catch(() => {
      throw signal.reason;
    }),
  breathe: () => immediately(),
};

/** The oracle: XXH64 of all guest RAM. */
export const ramHash = (memory: GuestMemory): bigint =>
  BigInt.asUintN(64, codecOf(memory).xxh64(layout.RAM, memory.ramBytes, 0n));

/** What may happen to bytes on their way: `null` ends the connection there. `at` counts bytes of that direction. */
export type Tamper = (chunk: Uint8Array, at: number) => Uint8Array | null;

/** One end of a connection in memory. Delivers later, in order, in chunks of at most `chunkBytes`. */
export class MemoryChannel implements Channel {
  peer!: MemoryChannel;
  tamper: Tamper = (chunk) => chunk;
  /** While true nothing is delivered, as if the other side read nothing. */
  isBlocked = false;
  private readonly queue: { bytes: Uint8Array; taken: () => void; lost: (error: Error) => void }[] = [];
  private at = 0;
  private isDelivering = false;
  private inlet: Inlet | null = null;
  private onClose: ((error: Error | null) => void) | null = null;
  isClosed = false;
  private isHeld = false;

  constructor(private readonly chunkBytes: number) {}

  open(inlet: Inlet, onClose: (error: Error | null) => void): void {
    this.inlet = inlet;
    this.onClose = onClose;
    void this.peer.deliver();
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed) return Promise.reject(new Error('closed'));
    return new Promise((taken, lost) => {
      this.queue.push({ bytes, taken, lost });
      void this.deliver();
    });
  }

  hold(): void {
    this.isHeld = true;
  }

  goOn(): void {
    this.isHeld = false;
    void this.peer.deliver();
  }

  async close(graceMs: number): Promise<void> {
    // A busy test machine is no slow network: only what is blocked runs out of time.
    const deadline = performance.now() + (this.isBlocked ? 100 : 10 * graceMs);
    while (this.queue.length > 0 && !this.isClosed && performance.now() < deadline) await sleep(1);
    this.end(null);
  }

  /** The connection ends, seen by both sides. */
  end(error: Error | null): void {
    for (const side of [this, this.peer]) {
      if (side.isClosed) continue;
      side.isClosed = true;
      for (const { lost } of side.queue.splice(0)) lost(error ?? new Error('closed'));
      setImmediate(() => side.onClose?.(error));
    }
  }

  async deliver(): Promise<void> {
    if (this.isDelivering) return;
    this.isDelivering = true;
    while (this.queue.length > 0 && this.peer.inlet && !this.isBlocked && !this.peer.isHeld) {
      await immediately();
      const next = this.queue[0];
      if (!next || this.isClosed) break;
      for (let from = 0; from < next.bytes.length && !this.isClosed; from += this.chunkBytes) {
        const chunk = next.bytes.slice(from, from + this.chunkBytes);
        const arrives = this.tamper(chunk, this.at);
        this.at += chunk.length;
        if (arrives) pour(arrives, this.peer.inlet);
        else this.end(new Error('cut'));
      }
      if (this.isClosed) break;
      this.queue.shift();
      next.taken();
    }
    this.isDelivering = false;
  }
}

export function channelPair(chunkBytes = 65_536): [MemoryChannel, MemoryChannel] {
  const source = new MemoryChannel(chunkBytes);
  const destination = new MemoryChannel(chunkBytes);
  source.peer = destination;
  destination.peer = source;
  return [source, destination];
}

const MIB = 2 ** 20;
const RUN = 0;
const PARKED = 1;
const WRITES = 2;

/** A machine whose hart is a thread that writes to RAM through a write TLB of its own, as harts do. */
export class WritingMachine implements SourceMachine {
  readonly boardVersion = 1;
  readonly memory: GuestMemory;
  running = false;
  /** Hash of RAM whenever the engine stopped the machine. */
  readonly hashesAtStop: bigint[] = [];
  state = new TextEncoder().encode('state of the board');
  hasLetGo = false;
  private readonly control = new Int32Array(new SharedArrayBuffer(16));
  private worker: Worker | null = null;

  constructor(ramMiB: number) {
    this.memory = GuestMemory.create(ramMiB * MIB, 1);
    quiet(this.memory);
  }

  /** Starts the hart: it writes over and over into `pages` pages, with a pause after every 64 writes. */
  static async start(ramMiB: number, pages: number, burstPauseMs: number): Promise<WritingMachine> {
    const machine = new WritingMachine(ramMiB);
    const workerData = { memory: machine.memory.memory, control: machine.control, pages, burstPauseMs };
    machine.worker = new Worker(new URL('./writing-hart.mjs', import.meta.url), { workerData });
    await machine.resume();
    while (machine.writes === 0) await sleep(1);
    return machine;
  }

  /** How many writes the guest has made. */
  get writes(): number {
    return Atomics.load(this.control, WRITES);
  }

  async stop(): Promise<{ running: boolean }> {
    const { running } = this;
    this.running = false;
    Atomics.store(this.control, RUN, 0);
    Atomics.notify(this.control, RUN);
    while (this.worker && Atomics.load(this.control, PARKED) === 0) await sleep(1);
    this.hashesAtStop.push(ramHash(this.memory));
    return { running };
  }

  async resume(): Promise<void> {
    this.running = true;
    Atomics.store(this.control, RUN, 1);
    Atomics.notify(this.control, RUN);
  }

  letGo(): void {
    this.hasLetGo = true;
  }

  async saveState(): Promise<Uint8Array> {
    return this.state;
  }

  async end(): Promise<void> {
    await this.worker?.terminate();
  }
}

export class ReceivingMachine implements DestinationMachine {
  readonly boardVersion = 1;
  readonly memory: GuestMemory;
  state: Uint8Array | null = null;
  started: boolean[] = [];
  isLost = false;

  constructor(ramMiB: number, harts = 1) {
    this.memory = GuestMemory.create(ramMiB * MIB, harts);
    quiet(this.memory);
  }

  async restoreState(state: Uint8Array): Promise<void> {
    this.state = state;
  }

  async start(running: boolean): Promise<void> {
    this.started.push(running);
  }

  async lose(): Promise<void> {
    this.isLost = true;
  }
}

/** No hart runs yet: whoever asks for a flush need not wait. */
function quiet(memory: GuestMemory): void {
  for (let hart = 0; hart < memory.harts; hart++) {
    const at = layout.HARTS + hart * layout.HART_SIZE + layout.H_QUIET;
    Atomics.store(memory.words, at / 4, layout.ATTENTION_FLUSH_WRITES);
  }
}
