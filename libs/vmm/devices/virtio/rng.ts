/** The entropy device (virtio 1.2, section 5.4): fills what the driver makes available with random bytes. */
import { readConfigBytes, type VirtioDevice, type VirtioSlot } from './device.js';
import { scatter, spanBytes } from './queue.js';

/** A driver may ask for less again; nobody needs more at once. */
const MAX_REQUEST = 64 * 1024;

export class VirtioRng implements VirtioDevice<Record<string, never>> {
  readonly deviceId = 4;
  readonly features = 0n;
  readonly queueSizes = [8];
  private slot!: VirtioSlot;

  /** `random`: so many unpredictable bytes. */
  constructor(private readonly random: (size: number) => Uint8Array) {}

  attach(slot: VirtioSlot): void {
    this.slot = slot;
  }

  readConfig(offset: number, size: number): number {
    return readConfigBytes(new Uint8Array(0), offset, size);
  }

  writeConfig(): void {}

  notified(queue: number): void {
    const requests = this.slot.queues[queue]!;
    for (let chain = requests.pop(); chain; chain = requests.pop()) {
      const size = Math.min(spanBytes(chain.writable), MAX_REQUEST);
      requests.push(chain, scatter(this.slot.memory, chain.writable, this.random(size)));
    }
  }

  reset(): void {}

  save(): Record<string, never> {
    return {};
  }

  restore(): void {}
}
