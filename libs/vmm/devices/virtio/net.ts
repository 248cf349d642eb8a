/**
 * The network device (virtio 1.2, section 5.1): one pair of queues for frames and a control queue, through which a guest
 * acknowledges that it has announced itself after a migration. Frames go in and out as packets, behind the header in
 * which guests leave checksums and the cutting of TCP packets to others; the device passes that on and does none of it.
 */
import { checkFields } from '../device.js';
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { gather, scatter, slice, spanBytes, VirtioError, type Chain, type Virtqueue } from './queue.js';

const F_CSUM = 1n << 0n;
const F_GUEST_CSUM = 1n << 1n;
const F_MTU = 1n << 3n;
const F_MAC = 1n << 5n;
const F_GUEST_TSO4 = 1n << 7n;
const F_GUEST_TSO6 = 1n << 8n;
const F_HOST_TSO4 = 1n << 11n;
const F_HOST_TSO6 = 1n << 12n;
const F_MRG_RXBUF = 1n << 15n;
const F_STATUS = 1n << 16n;
const F_CTRL_VQ = 1n << 17n;
const F_GUEST_ANNOUNCE = 1n << 21n;
const F_STANDBY = 1n << 62n;

const RECEIVE = 0;
const TRANSMIT = 1;
const CONTROL = 2;

// Bits of the configuration's status (section 5.1.4).
const S_LINK_UP = 1;
const S_ANNOUNCE = 2;

/** struct virtio_net_hdr; its last two bytes count the buffers that a received frame fills. */
const HEADER_BYTES = 12;
const NUM_BUFFERS = 10;
/** The longest that either side may give, header included (QEMU's NET_BUFSIZE). */
const MAX_PACKET_BYTES = 4096 + 65_536;

const CONTROL_ANNOUNCE = 3;
const ANNOUNCE_ACK = 0;
const CONTROL_OK = 0;
const CONTROL_ERR = 1;

export interface NetSettings {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** The longest packet that the guest is told to send, 68 to 65535; undefined: it is not told. */
  readonly mtu?: number;
  /**
   * Of a failover pair: `standby` is always there; `primary`, a device of the host, only while the guest's driver of the
   * other one knows of it.
   */
  readonly role?: 'standby' | 'primary';
}

export interface NetPorts {
  /** Takes a packet that the guest sends, to keep. False: no more before `sent` has been called. */
  send(packet: Uint8Array): boolean;
  /** The guest may have made room: packets that did not fit may be given again. */
  hasRoom(): void;
  /** The guest begins to run here, after a migration. */
  arrived(): void;
  /** A driver drives the device, or goes on to do so. */
  driverReady?(): void;
  /** The driver has let the device go. */
  driverReset?(): void;
}

export interface NetState {
  /** Hexadecimal; the NIC is the same wherever the VM is. */
  readonly mac: string;
  readonly status: number;
}

export class VirtioNet implements VirtioDevice<NetState> {
  readonly deviceId = 1;
  readonly features: bigint;
  readonly isPluggedLater: boolean;
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
    const { mac, mtu, role } = settings;
    this.isPluggedLater = role === 'primary';
    const offloads = F_CSUM | F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_HOST_TSO4 | F_HOST_TSO6;
    this.features =
      offloads | F_MAC | F_MRG_RXBUF | F_STATUS | F_CTRL_VQ | F_GUEST_ANNOUNCE | (mtu === undefined ? 0n : F_MTU);
    if (role === 'standby') this.features |= F_STANDBY;
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

  /** What the guest takes as it is: frames without a whole checksum, and TCP packets longer than a frame. */
  get offloads(): { readonly checksum: boolean; readonly tcp4: boolean; readonly tcp6: boolean } {
    const has = (feature: bigint) => (this.slot.features & feature) !== 0n;
    return { checksum: has(F_GUEST_CSUM), tcp4: has(F_GUEST_TSO4), tcp6: has(F_GUEST_TSO6) };
  }

  /**
   * Gives a packet to the guest, whose header asks for no more than `offloads`. False: there is no room now, see
   * `hasRoom`; true if nobody is there to take it.
   */
  receive(packet: Uint8Array): boolean {
    if (this.life === 'held') return false;
    if (!this.slot.driven || !this.isLinkUp) return true;
    if (packet.length < HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return true;
    let taken = true;
    this.slot.run(() => (taken = this.fill(this.slot.queues[RECEIVE]!, packet)));
    return taken;
  }

  /** The backend takes frames again. */
  sent(): void {
    this.maySend = true;
    if (this.slot.driven) this.slot.run(() => this.transmit());
  }

  /** Is driven, by a driver that may use a primary beside it. */
  get knowsStandby(): boolean {
    return this.slot.driven && (this.slot.features & F_STANDBY) !== 0n;
  }

  get isDriven(): boolean {
    return this.slot.driven;
  }

  /** A primary appears in its slot, with its cable in; or disappears. */
  plug(): void {
    this.setStatus(this.status | S_LINK_UP);
    this.slot.plug();
  }

  unplug(): void {
    this.slot.unplug();
  }

  driverReady(): void {
    this.ports.driverReady?.();
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
    this.ports.driverReset?.();
  }

  quiesce(): Promise<void> {
    if (this.life === 'runs') this.life = 'held';
    return Promise.resolve();
  }

  resume(): void {
    this.life = 'runs';
    if (this.slot.driven) this.ports.driverReady?.();
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
    const sent: { chain: Chain; written: number }[] = [];
    while (this.maySend) {
      const chain = queue.pop();
      if (!chain) break;
      const size = spanBytes(chain.readable);
      if (size < HEADER_BYTES || size > MAX_PACKET_BYTES) throw new VirtioError(`a packet of ${size} bytes to send`);
      this.maySend = this.ports.send(gather(this.slot.memory, chain.readable));
      sent.push({ chain, written: 0 });
    }
    if (sent.length > 0) queue.pushTogether(sent); // one interrupt for all of them
  }

  /** Puts a packet into one chain, or as many as it takes if the driver can join them (section 5.1.6.4). */
  private fill(queue: Virtqueue, packet: Uint8Array): boolean {
    const most = this.slot.features & F_MRG_RXBUF ? queue.state.size : 1;
    const chains: Chain[] = [];
    for (let room = 0; room < packet.length;) {
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
    this.write(queue, chains, packet);
    return true;
  }

  private write(queue: Virtqueue, chains: readonly Chain[], packet: Uint8Array): void {
    const { memory } = this.slot;
    let at = 0;
    const filled = chains.map((chain) => {
      const written = scatter(memory, chain.writable, packet.subarray(at));
      at += written;
      return { chain, written };
    });
    const count = Uint8Array.of(chains.length & 0xff, chains.length >> 8);
    scatter(memory, slice(chains[0]!.writable, NUM_BUFFERS), count);
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
