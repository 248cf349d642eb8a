/** A NIC with what is at the other end of its cable, and how it tells where it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  adapt,
  ANNOUNCE_DEFAULTS,
  announcePausesMs,
  frameOf,
  macBytes,
  NO_OFFLOADS,
  packetOf,
  rarpAnnouncement,
  type AnnounceParameters,
  type Mac,
} from '#network';
import { VirtioNet } from '#vmm';
import { FrameStream } from './frame-stream.js';
import type { StreamNetdev } from './netdev.js';

export interface NicSettings {
  readonly mac: Mac;
  /** What the guest is told; undefined: nothing, so it takes 1500. */
  readonly mtu?: number;
  readonly netdev: StreamNetdev;
  /** Of a failover pair: this is the standby, or the primary of that standby. */
  readonly failover?: 'standby' | { readonly standbyId: string };
}

/** What a driver does with its card. */
interface DriverEars {
  ready(): void;
  reset(): void;
}

export class Nic {
  onDriver: DriverEars | null = null;

  readonly device: VirtioNet;
  private readonly stream: FrameStream;
  /** What the stream has given last, and the packets of it that the guest has not got yet. */
  private arriving: Uint8Array | null = null;
  private parts: Uint8Array[] = [];

  constructor(
    private readonly settings: NicSettings,
    log: (line: string) => void,
  ) {
    const { mac, mtu, netdev, failover } = settings;
    const role = failover && (failover === 'standby' ? failover : 'primary');
    this.device = new VirtioNet(
      { mac: macBytes(mac), ...(mtu !== undefined && { mtu }), ...(role && { role }) },
      {
        send: (packet) => this.send(packet),
        hasRoom: () => this.stream.retry(),
        arrived: () => {
          if (this.standbyId === undefined) void this.announce(ANNOUNCE_DEFAULTS);
        },
        driverReady: () => this.onDriver?.ready(),
        driverReset: () => this.onDriver?.reset(),
      },
    );
    this.stream = new FrameStream(netdev, {
      receive: (content) => this.receive(content),
      sent: () => this.device.sent(),
      isLinkUp: () => this.device.isLinkUp,
      log,
    });
  }

  get mac(): Mac {
    return this.settings.mac;
  }

  /** Traffic may go by another card of the same address. */
  get isStandby(): boolean {
    return this.settings.failover === 'standby';
  }

  /** Of a primary: the card that takes over for it. */
  get standbyId(): string | undefined {
    const { failover } = this.settings;
    return typeof failover === 'object' ? failover.standbyId : undefined;
  }

  get netdevId(): string {
    return this.settings.netdev.id;
  }

  /** Says where it is, as often as the parameters say: by itself, and by the guest if its driver can. */
  async announce(parameters: AnnounceParameters): Promise<void> {
    this.announceOnce();
    for (const pauseMs of announcePausesMs(parameters)) {
      await sleep(pauseMs, undefined, { ref: false });
      this.announceOnce();
    }
  }

  /** Connects its netdev. Rejects if that must succeed at once and does not. */
  open(): Promise<void> {
    return this.stream.open();
  }

  close(): Promise<void> {
    return this.stream.close();
  }

  private announceOnce(): void {
    if (!this.device.isRunning) return;
    this.send(packetOf(rarpAnnouncement(this.settings.mac)));
    this.device.announce();
  }

  /** What the other end of the cable cannot do is done here. */
  private send(packet: Uint8Array): boolean {
    const { hasHeader } = this.settings.netdev;
    return this.stream.send(hasHeader ? [packet] : adapt(packet, NO_OFFLOADS).map(frameOf));
  }

  /** What the guest cannot do is done here. False: there is no room for all of it; give the same again. */
  private receive(content: Uint8Array): boolean {
    if (content !== this.arriving) {
      this.arriving = content;
      const packet = this.settings.netdev.hasHeader ? content : packetOf(content);
      this.parts = adapt(packet, this.device.offloads);
    }
    while (this.parts.length > 0) {
      if (!this.device.receive(this.parts[0]!)) return false;
      this.parts.shift();
    }
    return true;
  }
}
