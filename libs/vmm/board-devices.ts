/** The devices of the board, on its bus: who is wired to whom, and what is done to all of them together. */
import { BOARD, virtioSlot } from './board.js';
import { Bus } from './bus.js';
import type { GuestClock } from './clock.js';
import type { CallAfter } from './devices/deadline.js';
import { Finisher, type FinisherState } from './devices/finisher.js';
import { Htif, type HtifState } from './devices/htif.js';
import { Plic, type PlicState } from './devices/plic.js';
import { Rtc, type RtcState } from './devices/rtc.js';
import { Uart, type UartState } from './devices/uart.js';
import type { VirtioDevice } from './devices/virtio/device.js';
import { VirtioMmio, type VirtioMmioState } from './devices/virtio/mmio.js';
import { Watchdog, type WatchdogState } from './devices/watchdog.js';
import { MIP_MEIP, MIP_SEIP, setPending } from './interrupts.js';
import type { GuestMemory } from './memory.js';
import type { PageWaiter } from './missing-pages.js';

export interface BoardPorts {
  /** The host's wall clock: nanoseconds since 1970. */
  wallNs(): bigint;
  readonly callAfter: CallAfter;
  /** What the guest prints. */
  consoleOutput(bytes: Uint8Array): void;
  /** The guest has switched itself off. */
  guestShutdown(status: number): void;
  /** The guest wants to be reset. */
  guestReset(): void;
  /** The guest has started its watchdog, and not reloaded it in time. */
  watchdogExpired(): void;
  /** A guest's driver broke the rules of a virtio device, which now waits to be reset. */
  deviceError(slot: number, reason: string): void;
}

/** What the board needs of its machine beside that. */
export interface BoardSurroundings extends BoardPorts {
  readonly pages: PageWaiter;
}

export interface BoardState {
  readonly uart: UartState;
  readonly plic: PlicState;
  readonly finisher: FinisherState;
  readonly htif: HtifState;
  readonly rtc: RtcState;
  readonly watchdog: WatchdogState;
  /** One for each virtio device, in the order of their slots. */
  readonly virtio: readonly VirtioMmioState[];
}

export class BoardDevices {
  readonly bus = new Bus();
  readonly uart: Uart;
  readonly virtio: readonly VirtioMmio[];
  readonly htif: Htif;
  private readonly plic: Plic;
  private readonly finisher: Finisher;
  private readonly rtc: Rtc;
  private readonly watchdog: Watchdog;

  /** Throws if there are more virtio devices than slots. */
  constructor(
    memory: GuestMemory,
    clock: GuestClock,
    virtio: readonly VirtioDevice[],
    private readonly ports: BoardSurroundings,
  ) {
    if (virtio.length > BOARD.virtio.slots) {
      throw new Error(`${virtio.length} virtio devices: the board has ${BOARD.virtio.slots} slots for them`);
    }
    this.plic = new Plic(memory.harts, {
      interrupt: (hart, mode, level) => setPending(memory, hart, mode === 'M' ? MIP_MEIP : MIP_SEIP, level),
    });
    const line = (source: number) => (level: boolean) => this.plic.setLevel(source, level);
    this.uart = new Uart({
      transmit: (byte) => ports.consoleOutput(Uint8Array.of(byte)),
      interrupt: line(BOARD.uart.interrupt),
    });
    this.finisher = new Finisher({
      shutdown: (status) => ports.guestShutdown(status),
      reset: () => ports.guestReset(),
    });
    this.htif = new Htif(memory, {
      guestNs: () => clock.nowNs(),
      callAfter: ports.callAfter,
      consoleOutput: (bytes) => ports.consoleOutput(bytes),
      shutdown: (status) => ports.guestShutdown(status),
    });
    this.rtc = new Rtc({
      wallNs: () => ports.wallNs(),
      callAfter: ports.callAfter,
      interrupt: line(BOARD.rtc.interrupt),
    });
    this.watchdog = new Watchdog({
      guestNs: () => clock.nowNs(),
      callAfter: ports.callAfter,
      expired: () => ports.watchdogExpired(),
    });
    for (const name of ['finisher', 'plic', 'uart', 'rtc', 'watchdog'] as const) {
      this.bus.attach(BOARD[name].base, BOARD[name].size, this[name]);
    }
    this.virtio = virtio.map((device, slot) => this.plugIn(device, slot, memory));
  }

  reset(): void {
    for (const device of this.all()) device.reset();
  }

  /** A hart's write: to a device, or to the one place in RAM that is heard. False if nothing is there. */
  write(address: number, size: number, value: bigint): ReturnType<Bus['write']> {
    if (!this.htif.hears(address)) return this.bus.write(address, size, value);
    this.htif.noteStore(address, size);
    return true;
  }

  /** The guest is about to be stopped: no time that a device waits for comes any more, until `resume`. */
  hold(): void {
    this.htif.hold();
    this.rtc.hold();
    this.watchdog.hold();
  }

  /** Resolves when no device touches guest memory or its backend any more, until `resume`. */
  async quiesce(): Promise<void> {
    await Promise.all(this.virtio.map((device) => device.quiesce()));
  }

  resume(): void {
    for (const device of this.virtio) device.resume();
    this.htif.resume();
    this.rtc.resume();
    this.watchdog.resume();
    this.finisher.remind();
  }

  save(): BoardState {
    return {
      uart: this.uart.save(),
      plic: this.plic.save(),
      finisher: this.finisher.save(),
      htif: this.htif.save(),
      rtc: this.rtc.save(),
      watchdog: this.watchdog.save(),
      virtio: this.virtio.map((device) => device.save()),
    };
  }

  /** Throws a RangeError on a state that this board cannot have; some devices may have taken theirs by then. */
  restore(state: BoardState): void {
    if (state.virtio.length !== this.virtio.length) {
      throw new RangeError(
        `machine state: ${state.virtio.length} virtio devices, this machine has ${this.virtio.length}`,
      );
    }
    this.uart.restore(state.uart);
    this.finisher.restore(state.finisher);
    this.htif.restore(state.htif);
    this.rtc.restore(state.rtc);
    this.watchdog.restore(state.watchdog);
    this.virtio.forEach((device, slot) => device.restore(state.virtio[slot]!));
    this.plic.restore(state.plic); // after the devices, whose lines it has seen
  }

  private all() {
    return [this.uart, this.plic, this.finisher, this.rtc, this.watchdog, ...this.virtio];
  }

  private plugIn(device: VirtioDevice, slot: number, memory: GuestMemory): VirtioMmio {
    const { base, size, interrupt } = virtioSlot(slot);
    const transport = new VirtioMmio(device, {
      memory,
      arrival: (pages) => this.ports.pages.arrival(pages),
      interrupt: (level) => this.plic.setLevel(interrupt, level),
      deviceError: (reason) => this.ports.deviceError(slot, reason),
    });
    this.bus.attach(base, size, transport);
    return transport;
  }
}
