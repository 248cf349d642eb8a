/** The board, as the main thread of a VMM holds it: RAM, devices, the harts' states; the harts run in their own threads. */
import { requestAttention } from './attention.js';
import { BoardDevices, type BoardPorts } from './board-devices.js';
import { loadImages, planBoot, type BootRequest } from './boot.js';
import { GuestClock } from './clock.js';
import type { MachineControl } from './control.js';
import type { Uart } from './devices/uart.js';
import type { VirtioDevice } from './devices/virtio/device.js';
import { completeStart } from './hart-sbi.js';
import { Hart, type HartPorts } from './hart.js';
import {
  ATTENTION_RELOAD,
  ATTENTION_STOP,
  H_BUSY_NS,
  H_HSM,
  H_MIP,
  H_MTIMECMP,
  H_STIMECMP,
  MACHINE,
  M_DOORBELL,
  M_PARKED,
  M_RUNNING,
} from './layout.js';
import { serveMail, type Mail, type MailAnswer } from './mailbox.js';
import { GuestMemory } from './memory.js';
import { PageWaiter } from './missing-pages.js';
import { HSM_STARTED, HSM_STOPPED } from './sbi.js';
import { hartBlock, load32, loadI64, store32, store64, wakeHart } from './shared.js';
import { decodeSnapshot, encodeSnapshot, type MachineSnapshot } from './snapshot.js';

const NEVER = -1n;
/** After so many requests in a row the main thread looks at its other events. */
const MAIL_BURST = 64;

export interface MachineOptions {
  readonly ramBytes: number;
  readonly harts: number;
  /**
   * What the machine starts from, asked for anew at each reset, so that nobody keeps it in memory. Absent for a machine
   * whose content comes by migration; such a machine cannot be reset.
   */
  readonly boot?: () => BootRequest;
  /** The content comes by migration: nothing is loaded before the first reset. */
  readonly incoming?: boolean;
  /** In the order of their slots; the same at both ends of a migration. */
  readonly virtio?: readonly VirtioDevice[];
}

/** What a device tells of shutdown and reset comes with the guest's harts being parked already. */
export interface MachinePorts extends BoardPorts {
  /** The compiled hart module (cpu.wasm). */
  readonly hartModule: WebAssembly.Module;
  /** The host's monotonic clock in nanoseconds, the same in every thread. */
  hostNs(): bigint;
  /** Resolves after other events of the main thread had their turn. */
  nextTurn(): Promise<void>;
}

/** A hart's thread never calls out of an instance that only reads and writes state. */
const NO_PORTS: HartPorts = {
  timeTicks: () => 0n,
  mmioRead: () => undefined,
  mmioWrite: () => false,
};

export class Machine implements MachineControl {
  readonly memory: GuestMemory;
  readonly clock: GuestClock;
  /** What waits in this thread for pages that are missing. */
  readonly pages: PageWaiter;
  private readonly board: BoardDevices;
  private readonly harts: readonly Hart[];
  private readonly boot: (() => BootRequest) | undefined;
  private stopping: Promise<void> | undefined;

  /** Builds a stopped machine at power-on. Throws an Error with the reason if sizes or kernel are impossible. */
  constructor(
    { ramBytes, harts, boot, incoming = false, virtio = [] }: MachineOptions,
    private readonly ports: MachinePorts,
  ) {
    this.memory = GuestMemory.create(ramBytes, harts);
    this.boot = boot;
    this.pages = new PageWaiter(this.memory);
    this.clock = new GuestClock(this.memory, () => ports.hostNs());
    this.board = new BoardDevices(this.memory, this.clock, virtio, {
      ...ports,
      pages: this.pages,
      guestShutdown: (status) => this.leaveGuest(() => ports.guestShutdown(status)),
      guestReset: () => this.leaveGuest(() => ports.guestReset()),
    });
    this.harts = this.hartIds().map((id) => new Hart(ports.hartModule, this.memory.memory, id, NO_PORTS));
    if (boot && !incoming) this.reset();
  }

  get uart(): Uart {
    return this.board.uart;
  }

  get running(): boolean {
    return load32(this.memory, MACHINE + M_RUNNING) === 1;
  }

  /** Guest time in nanoseconds since power-on. */
  get guestNs(): bigint {
    return this.clock.nowNs();
  }

  /** Nanoseconds that a hart's thread has spent in guest code since the VMM started. */
  busyNs(hart: number): bigint {
    return loadI64(this.memory, hartBlock(hart) + H_BUSY_NS);
  }

  /**
   * Back to power-on, kernel and device tree loaded anew; the rest of RAM keeps its content. Throws unless stopped, and
   * what `boot` throws, before anything has changed.
   */
  reset(): void {
    this.requireStopped('reset');
    this.requireComplete('reset');
    if (!this.boot)
      throw new Error('this machine came by migration without -kernel or -bios: there is nothing to start it from');
    const plan = planBoot(this.boot(), this.memory, { virtioDevices: this.board.virtio.length });
    loadImages(plan, this.memory);
    this.board.reset();
    this.board.htif.attach(plan.htif);
    for (const hart of this.harts) {
      const block = hartBlock(hart.hartId);
      const [a1, a2] = [BigInt(plan.deviceTree.address), BigInt(plan.firmwareInfo)];
      hart.reset({ mode: plan.mode, pc: BigInt(plan.entry), a0: BigInt(hart.hartId), a1, a2 });
      store32(this.memory, block + H_MIP, 0);
      store64(this.memory, block + H_MTIMECMP, NEVER);
      store64(this.memory, block + H_STIMECMP, NEVER);
      store32(this.memory, block + H_HSM, plan.mode === 'M' || hart.hartId === 0 ? HSM_STARTED : HSM_STOPPED);
    }
    this.clock.stop(0n);
    this.clock.mtimeOffset = 0n;
    this.reloadHarts();
  }

  async stop(): Promise<void> {
    if (this.clock.stopped) return;
    this.board.hold();
    this.askToPark();
    this.stopping ??= this.park().finally(() => (this.stopping = undefined));
    await this.stopping;
  }

  cont(): void {
    if (this.running) return;
    this.requireStopped('cont');
    this.clock.start();
    store32(this.memory, MACHINE + M_RUNNING, 1);
    this.board.resume();
    for (const hart of this.hartIds()) wakeHart(this.memory, hart);
  }

  saveState(): Uint8Array {
    this.requireStopped('saveState');
    this.requireComplete('saveState');
    return encodeSnapshot(this.snapshot());
  }

  restoreState(state: Uint8Array): void {
    this.requireStopped('restoreState');
    const wanted = decodeSnapshot(state);
    const { ramBytes } = this.memory;
    if (wanted.ramBytes !== ramBytes) {
      throw new RangeError(`machine state: RAM of ${wanted.ramBytes} bytes, this machine has ${ramBytes}`);
    }
    if (wanted.harts.length !== this.harts.length) {
      throw new RangeError(`machine state: ${wanted.harts.length} harts, this machine has ${this.harts.length}`);
    }
    const before = this.snapshot();
    try {
      this.become(wanted);
    } catch (error) {
      this.become(before);
      throw error;
    }
  }

  /** Answers the harts' device accesses, for as long as the VMM lives. Rejects if a device fails. */
  async serveHarts(): Promise<never> {
    for (let burst = 1; ; burst++) {
      const seen = load32(this.memory, MACHINE + M_DOORBELL);
      serveMail(this.memory, (mail) => this.answer(mail));
      const ring = Atomics.waitAsync(this.memory.words, (MACHINE + M_DOORBELL) / 4, seen);
      if (ring.async) await ring.value;
      else if (burst % MAIL_BURST === 0) await this.ports.nextTurn();
    }
  }

  private answer({ kind, address, size, value }: Mail): MailAnswer | Promise<MailAnswer> {
    switch (kind) {
      case 'read':
        return this.board.bus.read(address, size);
      case 'write': {
        const done = this.board.write(address, size, value);
        return done instanceof Promise ? done.then(() => 0n) : done ? 0n : undefined;
      }
      case 'consoleWrite': {
        const bytes = this.memory.readBytes(address, size);
        this.ports.consoleOutput(bytes);
        return BigInt(bytes.length);
      }
      case 'consoleRead': {
        const bytes = this.uart.takeReceived(size);
        this.memory.writeBytes(address, bytes);
        return BigInt(bytes.length);
      }
    }
  }

  /** The guest has ended its life or wants a new one: it runs no further, whatever the owner makes of it. */
  private leaveGuest(tell: () => void): void {
    this.askToPark();
    tell();
  }

  private askToPark(): void {
    store32(this.memory, MACHINE + M_RUNNING, 0);
    for (const hart of this.hartIds()) requestAttention(this.memory, hart, ATTENTION_STOP);
  }

  /** Resolves when every hart is parked, what they had started is finished, and guest time stands still. */
  private async park(): Promise<void> {
    for (;;) {
      const seen = load32(this.memory, MACHINE + M_PARKED);
      if (seen === this.harts.length) break;
      const change = Atomics.waitAsync(this.memory.words, (MACHINE + M_PARKED) / 4, seen);
      if (change.async) await change.value;
    }
    for (const hart of this.harts) {
      if (completeStart(this.memory, hart)) requestAttention(this.memory, hart.hartId, ATTENTION_RELOAD);
    }
    await this.board.quiesce();
    this.clock.stop();
  }

  private snapshot(): MachineSnapshot {
    return {
      guestNs: this.clock.nowNs().toString(),
      mtimeOffset: this.clock.mtimeOffset.toString(),
      ramBytes: this.memory.ramBytes,
      harts: this.harts.map((hart) => hart.save()),
      ...this.board.save(),
    };
  }

  private become(snapshot: MachineSnapshot): void {
    this.clock.stop(BigInt(snapshot.guestNs));
    this.clock.mtimeOffset = BigInt(snapshot.mtimeOffset);
    this.board.restore(snapshot);
    this.harts.forEach((hart, index) => hart.restore(snapshot.harts[index]!)); // last: pending bits as they were
    this.reloadHarts();
  }

  private reloadHarts(): void {
    for (const hart of this.hartIds()) requestAttention(this.memory, hart, ATTENTION_RELOAD);
  }

  private requireStopped(action: string): void {
    if (!this.clock.stopped) throw new Error(`${action}: the machine must be stopped first`);
  }

  private requireComplete(action: string): void {
    if (!this.memory.isComplete) throw new Error(`${action}: pages of the machine's RAM are still to come`);
  }

  private hartIds(): number[] {
    return Array.from({ length: this.memory.harts }, (_, hart) => hart);
  }
}
