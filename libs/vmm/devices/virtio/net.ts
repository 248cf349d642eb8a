/**
 * The network device (virtio 1.2, section 5.1): one pair of queues for frames and a control queue, through which a guest
 * acknowledges that it has announced itself after a migration. No offloads: each frame is what is on the wire.
 */
import { checkFields } from '../device.js';
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { gather, scatter, slice, spanBytes, VirtioError, type Chain, type Virtqueue } from './queue.js';

const F_MTU = 1n << 3n;
const F_MAC = 1n << 5n;
const F_MRG_RXBUF = 1n << 15n;
const F_STATUS = 1n << 16n;
const F_CTRL_VQ = 1n << 17n;
const F_GUEST_ANNOUNCE = 1n << 21n;

const RECEIVE = 0;
const TRANSMIT = 1;
const CONTROL = 2;

// Bits of the configuration's status (section 5.1.4).
const S_LINK_UP = 1;
const S_ANNOUNCE = 2;

/** struct virtio_net_hdr; its last two bytes count the buffers that a received frame fills. */
const HEADER_BYTES = 12;
const NUM_BUFFERS = 10;
/** The longest frame that either side may give (QEMU's NET_BUFSIZE). */
const MAX_FRAME_BYTES = 4096 + 65_536;

const CONTROL_ANNOUNCE = 3;
const ANNOUNCE_ACK = 0;
const CONTROL_OK = 0;
const CONTROL_ERR = 1;

export interface NetSettings {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** The longest packet that the guest is told to send, 68 to 65535; undefined: it is not told. */
  readonly mtu?: number;
}

export interface NetPorts {
  /** Takes a frame that the guest sends, to keep. False: no more before `sent` has been called. */
  send(frame: Uint8Array): boolean;
  /** The guest may have made room: frames that did not fit may be given again. */
  hasRoom(): void;
  /** The guest begins to run here, after a migration. */
  arrived(): void;
}

export interface NetState {
  /** Hexadecimal; the NIC is the same wherever the VM is. */
  readonly mac: string;
  readonly status: number;
}

export class VirtioNet implements VirtioDevice<NetState> {
  readonly deviceId = 1;
  readonly features: bigint;
  readonly queueSizes = [256, 256, 64];
  private readonly config = new Uint8Array(12);
  private slot!: VirtioSlot;
  private status = S_LINK_UP;
  private maySend = true;
  /** `before`: the guest has not run here yet; `held`: it will go on. */
  private life: 'before' | 'runs' | 'held' = 'before';
  private hasMoved = false;

  constructor(
    private readonly settings: NetSettings,
    private readonly ports: NetPorts,
  ) {
    const { mac, mtu } = settings;
    this.features = F_MAC | F_MRG_RXBUF | F_STATUS | F_CTRL_VQ | F_GUEST_ANNOUNCE | (mtu === undefined ? 0n : F_MTU);
    this.config.set(mac);
    const view = new DataView(this.config.buffer);
    view.setUint16(8, 1, true); // one pair of queues
    view.setUint16(10, mtu ?? 0, true);
    this.setStatus(this.status);
  }

  get isLinkUp(): boolean {
    return (this.status & S_LINK_UP) !== 0;
  }

  /** The guest is not held still. */
  get isRunning(): boolean {
    return this.life === 'runs';
  }

  attach(slot: VirtioSlot): void {
    this.slot = slot;
  }

  /** Plugs the cable in or out, as the guest sees it. */
  setLink(up: boolean): void {
    if (up === this.isLinkUp) return;
    this.setStatus(this.status ^ S_LINK_UP);
    if (this.slot.driven) this.slot.configChanged();
  }

  /** Asks the guest to tell everybody where it is (gratuitous ARP); does nothing if its driver cannot. */
  announce(): void {
    const { features, driven } = this.slot;
    if (!driven || !(features & F_GUEST_ANNOUNCE) || !(features & F_CTRL_VQ) || !this.isLinkUp) return;
    this.setStatus(this.status | S_ANNOUNCE);
    this.slot.configChanged();
  }

  /** Gives a frame to the guest. False: there is no room now, see `hasRoom`; true if nobody is there to take it. */
  receive(frame: Uint8Array): boolean {
    if (this.life === 'held') return false;
    if (!this.slot.driven || !this.isLinkUp || frame.length > MAX_FRAME_BYTES) return true;
    let taken = true;
    this.slot.run(() => (taken = this.fill(this.slot.queues[RECEIVE]!, frame)));
    return taken;
  }

  /** The backend takes frames again. */
  sent(): void {
    this.maySend = true;
    if (this.slot.driven) this.slot.run(() => this.transmit());
  }

  readConfig(offset: number, size: number): number {
    return readConfigBytes(this.config, offset, size);
  }

  writeConfig(): void {}

  notified(queue: number): void {
    if (queue === RECEIVE) this.ports.hasRoom();
    else if (queue === TRANSMIT) this.transmit();
    else this.control();
  }

  reset(): void {
    this.setStatus(this.status & S_LINK_UP);
  }

  quiesce(): Promise<void> {
    if (this.life === 'runs') this.life = 'held';
    return Promise.resolve();
  }

  resume(): void {
    this.life = 'runs';
    if (this.hasMoved) this.ports.arrived();
    this.hasMoved = false;
  }

  save(): NetState {
    return { mac: hex(this.settings.mac), status: this.status };
  }

  restore(state: NetState): void {
    const mac = hex(this.settings.mac);
    if (state.mac !== mac) throw new RangeError(`virtio-net state: mac is ${String(state.mac)}, this NIC has ${mac}`);
    checkFields('virtio-net', { ...state }, { status: S_LINK_UP | S_ANNOUNCE });
    this.setStatus(state.status);
    this.life = 'before';
    this.hasMoved = true;
  }

  private setStatus(status: number): void {
    this.status = status;
    this.config[6] = status;
  }

  private transmit(): void {
    const queue = this.slot.queues[TRANSMIT]!;
    while (this.maySend) {
      const chain = queue.pop();
      if (!chain) return;
      const size = spanBytes(chain.readable) - HEADER_BYTES;
      if (size < 0 || size > MAX_FRAME_BYTES) throw new VirtioError(`a frame of ${size} bytes to send`);
      this.maySend = this.ports.send(gather(this.slot.memory, slice(chain.readable, HEADER_BYTES)));
      queue.push(chain, 0);
    }
  }

  /** Puts a frame into one chain, or as many as it takes if the driver can join them (section 5.1.6.4). */
  private fill(queue: Virtqueue, frame: Uint8Array): boolean {
    const most = this.slot.features & F_MRG_RXBUF ? queue.state.size : 1;
    const chains: Chain[] = [];
    for (let room = -HEADER_BYTES; room < frame.length;) {
      const chain = chains.length < most ? queue.pop() : undefined;
      if (!chain) {
        queue.unpop(chains.length);
        return chains.length === most; // longer than the driver was told to expect: lost, as on a wire
      }
      chains.push(chain);
      room += spanBytes(chain.writable);
    }
    if (spanBytes(chains[0]!.writable) < HEADER_BYTES) {
      throw new VirtioError('a receive buffer without room for a header');
    }
    this.write(queue, chains, frame);
    return true;
  }

  private write(queue: Virtqueue, chains: readonly Chain[], frame: Uint8Array): void {
    const { memory } = this.slot;
    const header = new Uint8Array(HEADER_BYTES);
    header[NUM_BUFFERS] = chains.length & 0xff;
    header[NUM_BUFFERS + 1] = chains.length >> 8;
    let at = 0;
    const filled = chains.map((chain, index) => {
      const before = index === 0 ? scatter(memory, chain.writable, header) : 0;
      const part = scatter(memory, slice(chain.writable, before), frame.subarray(at));
      at += part;
      return { chain, written: before + part };
    });
    queue.pushTogether(filled);
  }

  /** Requests: class and command, answered by one byte (section 5.1.6.5). */
  private control(): void {
    const { memory, queues } = this.slot;
    const queue = queues[CONTROL]!;
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const [kind, command] = gather(memory, slice(chain.readable, 0, 2));
      if (command === undefined || chain.writable.length === 0)
        throw new VirtioError('a control request without answer');
      const isAck = kind === CONTROL_ANNOUNCE && command === ANNOUNCE_ACK;
      if (isAck) this.setStatus(this.status & ~S_ANNOUNCE);
      queue.push(chain, scatter(memory, chain.writable, Uint8Array.of(isAck ? CONTROL_OK : CONTROL_ERR)));
    }
  }
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
