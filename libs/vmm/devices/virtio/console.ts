/** The console device with several ports (virtio 1.2, section 5.3): consoles and named channels, such as an agent's. */
import { ConsolePort, type PortOptions, type PortState } from './console-port.js';
import { CONSOLE_PORT, ControlBacklog, DEVICE_ADD, DEVICE_READY, PORT_NAME } from './console-control.js';
import { PORT_OPEN, PORT_READY, readMessage, writeMessage, type ControlMessage } from './console-control.js';
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { gather, scatter, slice, type Virtqueue } from './queue.js';

const F_MULTIPORT = 1n << 1n;
const QUEUE_SIZE = 128;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
/** A driver that does not take its answers is not asked for more questions. */
const MAX_WAITING_ANSWERS = 64;

export interface ConsoleState {
  readonly control: readonly ControlMessage[];
  readonly ports: readonly PortState[];
}

export class VirtioConsole implements VirtioDevice<ConsoleState> {
  readonly deviceId = 3;
  readonly features = F_MULTIPORT;
  readonly queueSizes: readonly number[];
  private readonly config = new Uint8Array(8);
  private readonly ports = new Map<number, ConsolePort>();
  private readonly control = new ControlBacklog();
  private slot!: VirtioSlot;

  /** `maxPorts`: ports have numbers below that. */
  constructor(readonly maxPorts: number) {
    this.queueSizes = Array.from({ length: 2 + 2 * maxPorts }, () => QUEUE_SIZE);
    new DataView(this.config.buffer).setUint32(4, maxPorts, true);
  }

  /** Before the machine is built. Throws an Error if there is no such number, or it is taken. */
  addPort(options: PortOptions): void {
    const { number, backend } = options;
    if (number >= this.maxPorts) throw new Error(`port ${number}: this device has ${this.maxPorts} ports`);
    if (this.ports.has(number)) throw new Error(`port ${number} is taken`);
    const port = new ConsolePort(options);
    this.ports.set(number, port);
    backend.attach({
      receive: (bytes) => this.receive(port, bytes),
      openChanged: () => this.whileDriven(() => this.tellOpen(port)),
      writable: () => this.whileDriven(() => this.transmit(port)),
    });
  }

  /** The lowest number from `first` on that no port has. */
  freeNumber(first: number): number {
    let number = first;
    while (this.ports.has(number)) number++;
    return number;
  }

  attach(slot: VirtioSlot): void {
    this.slot = slot;
  }

  readConfig(offset: number, size: number): number {
    return readConfigBytes(this.config, offset, size);
  }

  writeConfig(): void {}

  notified(index: number): void {
    if (index === CONTROL_RECEIVE || index === CONTROL_TRANSMIT) {
      this.sendControl();
      this.readControl();
      return;
    }
    const port = this.ports.get(index < CONTROL_RECEIVE ? 0 : Math.floor(index / 2) - 1);
    if (!port) return;
    if (!this.isMultiport) port.setGuestOpen(true); // there is nobody to tell it (section 5.3.5)
    if (index % 2 === 1) return this.transmit(port);
    this.deliver(port);
    port.options.backend.readMore();
  }

  reset(): void {
    this.control.messages = [];
    for (const port of this.ports.values()) port.reset();
  }

  /** Somebody may have come or gone at the host's end, or be another one, since the guest was stopped. */
  resume(): void {
    this.whileDriven(() => {
      for (const port of this.ports.values()) this.tellOpen(port);
    });
  }

  save(): ConsoleState {
    return { control: this.control.messages, ports: [...this.ports.values()].map((port) => port.save()) };
  }

  restore(state: ConsoleState): void {
    const ports = [...this.ports.values()];
    if (!Array.isArray(state.ports) || state.ports.length !== ports.length) {
      throw new RangeError(`console state: ports is not a list of ${ports.length}`);
    }
    this.control.restore(state.control, MAX_WAITING_ANSWERS + 4 * this.maxPorts);
    ports.forEach((port, index) => port.restore(state.ports[index]!));
  }

  private get isMultiport(): boolean {
    return (this.slot.features & F_MULTIPORT) !== 0n;
  }

  private whileDriven(action: () => void): void {
    if (this.slot.driven) this.slot.run(action);
  }

  private queues({ options: { number } }: ConsolePort): { receive: Virtqueue; transmit: Virtqueue } {
    const first = number === 0 ? 0 : 2 + 2 * number;
    return { receive: this.slot.queues[first]!, transmit: this.slot.queues[first + 1]! };
  }

  /** What is not taken stays with the host; all of it while the guest is held still, whatever becomes of the guest. */
  private receive(port: ConsolePort, bytes: Uint8Array): number {
    let taken = 0;
    while (this.slot.driven) {
      const part = port.receive(bytes.subarray(taken));
      if (part === 0) break;
      taken += part;
      this.slot.run(() => this.deliver(port));
    }
    return taken;
  }

  private deliver(port: ConsolePort): void {
    port.deliver(this.slot.memory, this.queues(port).receive);
  }

  private transmit(port: ConsolePort): void {
    port.transmit(this.slot.memory, this.queues(port).transmit);
  }

  private readControl(): void {
    const queue = this.slot.queues[CONTROL_TRANSMIT]!;
    while (this.control.messages.length < MAX_WAITING_ANSWERS) {
      const chain = queue.pop();
      if (!chain) return;
      const message = readMessage(gather(this.slot.memory, slice(chain.readable, 0, 8)));
      queue.push(chain, 0);
      if (message) this.answer(message);
    }
  }

  private answer({ id, event, value }: ControlMessage): void {
    if (event === DEVICE_READY) {
      if (value === 1) for (const number of this.ports.keys()) this.tell({ id: number, event: DEVICE_ADD, value: 1 });
      return;
    }
    const port = this.ports.get(id);
    if (!port) return;
    if (event === PORT_READY && value === 1) this.introduce(port);
    if (event === PORT_OPEN) {
      port.setGuestOpen(value !== 0);
      this.deliver(port);
      port.options.backend.readMore();
    }
  }

  private introduce(port: ConsolePort): void {
    const { number: id, name, isConsole } = port.options;
    port.isReady = true;
    port.isHostOpen = false;
    if (isConsole) this.tell({ id, event: CONSOLE_PORT, value: 1 });
    if (name !== '') this.tell({ id, event: PORT_NAME, value: 1 });
    this.tellOpen(port);
  }

  /** Tells the driver whether somebody is at the host's end, if it believes otherwise. A console's end is always there. */
  private tellOpen(port: ConsolePort): void {
    const { number: id, backend, isConsole } = port.options;
    const isOpen = isConsole || backend.isOpen;
    if (port.isReady && port.isHostOpen !== isOpen) {
      port.isHostOpen = isOpen;
      this.tell({ id, event: PORT_OPEN, value: Number(isOpen) });
    }
    this.transmit(port); // what has waited for the host is taken now, or lost
  }

  private tell(message: ControlMessage): void {
    if (!this.isMultiport) return;
    this.control.add(message);
    this.sendControl();
  }

  private sendControl(): void {
    const queue = this.slot.queues[CONTROL_RECEIVE]!;
    for (let [message] = this.control.messages; message; [message] = this.control.messages) {
      const chain = queue.pop();
      if (!chain) return;
      const bytes = writeMessage(message, this.ports.get(message.id)?.options.name);
      queue.push(chain, scatter(this.slot.memory, chain.writable, bytes));
      this.control.shift();
    }
  }
}
