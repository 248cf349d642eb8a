/** A guest's driver of a console device with several ports, over the test driver of virtio. */
import { VirtioConsole } from '../../libs/vmm/devices/virtio/console.js';
import type { PortBackend } from '../../libs/vmm/devices/virtio/console-port.js';
import type { GuestMemory } from '../../libs/vmm/memory.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

export const VERSION_1 = 1n << 32n;
export const F_MULTIPORT = 1n << 1n;
export const [DEVICE_READY, DEVICE_ADD, PORT_READY, CONSOLE_PORT, PORT_OPEN, PORT_NAME] = [0, 1, 3, 4, 6, 7];

const BUFFER_SIZE = 256;
const QUEUE_AREA = 0x2_0000;

export interface PortSpec {
  readonly number: number;
  readonly backend: PortBackend;
  readonly name?: string;
  readonly isConsole?: boolean;
}

export class ConsoleDriver {
  readonly device = new VirtioConsole(3);
  readonly virtio: VirtioDriver;
  /** What the guest has opened and closed. */
  readonly opened: string[] = [];
  private readonly nextBuffer = new Map<number, number>();
  /** Where the buffer of a chain is, by queue and head. */
  private readonly buffers = new Map<string, number>();

  constructor(ports: readonly PortSpec[], memory?: GuestMemory) {
    for (const { number, backend, name = '', isConsole = false } of ports) {
      const guestOpenChanged = (isOpen: boolean) => this.opened.push(`${isOpen ? 'open' : 'closed'} ${number}`);
      this.device.addPort({ number, name, isConsole, backend, guestOpenChanged });
    }
    this.virtio = new VirtioDriver(this.device, memory);
  }

  /** Up to DRIVER_OK, with buffers for what the device says. */
  start(features = VERSION_1 | F_MULTIPORT): this {
    this.virtio.start(features, 64);
    this.offer(2, 40);
    return this;
  }

  /** As Linux begins: the device, then every port it adds, then the ports that programs open. */
  open(...ports: number[]): string[] {
    this.control(0, DEVICE_READY, 1);
    const added = this.heard();
    for (const number of ports) this.control(number, PORT_READY, 1);
    for (const number of ports) this.control(number, PORT_OPEN, 1);
    return [...added, ...this.heard()];
  }

  control(id: number, event: number, value: number): void {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    this.put(3, new Uint8Array(message.buffer));
    this.virtio.used(3);
  }

  /** What the device has said since the last call, such as `1 event 6 = 1 name`. */
  heard(): string[] {
    return this.taken(2).map((bytes) => {
      const view = new DataView(bytes.buffer);
      const name = new TextDecoder().decode(bytes.subarray(8)).replace('\0', '!');
      return `${view.getUint32(0, true)} event ${view.getUint16(4, true)} = ${view.getUint16(6, true)} ${name}`.trim();
    });
  }

  /** The guest writes into a port. */
  send(port: number, bytes: Uint8Array): void {
    this.put(transmitQueue(port), bytes);
  }

  /** Offers buffers of `size` bytes for what the host sends. */
  offer(queue: number, count = 1, size = BUFFER_SIZE): void {
    for (let left = count; left > 0; left--) {
      const address = this.buffer(queue);
      this.buffers.set(`${queue}.${this.virtio.add(queue, [{ address, size, writable: true }])}`, address);
    }
    this.virtio.notify(queue);
  }

  /** What the guest has got from a port since the last call. */
  read(port: number): string {
    return this.taken(port === 0 ? 0 : 2 + 2 * port)
      .map((bytes) => new TextDecoder('latin1').decode(bytes))
      .join('');
  }

  /** Buffers that the device has given back. */
  sent(port: number): number {
    return this.virtio.used(transmitQueue(port)).length;
  }

  private put(queue: number, bytes: Uint8Array): void {
    const address = this.buffer(queue);
    this.virtio.memory.writeBytes(address, bytes);
    this.virtio.add(queue, [{ address, size: bytes.length }]);
    this.virtio.notify(queue);
  }

  private taken(queue: number): Uint8Array[] {
    return this.virtio
      .used(queue)
      .map(({ head, written }) => this.virtio.memory.readBytes(this.buffers.get(`${queue}.${head}`)!, written));
  }

  private buffer(queue: number): number {
    const index = this.nextBuffer.get(queue) ?? 0;
    this.nextBuffer.set(queue, index + 1);
    return BUFFERS + queue * QUEUE_AREA + (index % 64) * 0x800;
  }
}

export const receiveQueue = (port: number): number => (port === 0 ? 0 : 2 + 2 * port);
const transmitQueue = (port: number): number => receiveQueue(port) + 1;
