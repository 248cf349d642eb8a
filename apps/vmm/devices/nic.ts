/** A NIC with what is at the other end of its cable, and how it tells where it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ANNOUNCE_DEFAULTS,
  announcePausesMs,
  macBytes,
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
}

export class Nic {
  readonly device: VirtioNet;
  private readonly stream: FrameStream;

  constructor(
    private readonly settings: NicSettings,
    log: (line: string) => void,
  ) {
    const { mac, mtu, netdev } = settings;
    this.device = new VirtioNet(
      { mac: macBytes(mac), ...(mtu !== undefined && { mtu }) },
      {
        send: (frame) => this.stream.send(frame),
        hasRoom: () => this.stream.retry(),
        arrived: () => void this.announce(ANNOUNCE_DEFAULTS),
      },
    );
    this.stream = new FrameStream(netdev, {
      receive: (frame) => this.device.receive(frame),
      sent: () => this.device.sent(),
      isLinkUp: () => this.device.isLinkUp,
      log,
    });
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
    const { device, stream, settings } = this;
    if (!device.isRunning) return;
    stream.send(rarpAnnouncement(settings.mac));
    device.announce();
  }
}
