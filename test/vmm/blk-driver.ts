/** A guest's block driver over the test driver of virtio, and disks in files of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { DiskFile, type DiskFileOptions } from '../../apps/vmm/devices/disk-file.js';
import { GuestDisk, type OnDiskError } from '../../apps/vmm/devices/guest-disk.js';
import { loadLibc } from '../../apps/vmm/libc.js';
import type { BlkOptions } from '../../libs/vmm/devices/virtio/blk-config.js';
import { VirtioBlk } from '../../libs/vmm/devices/virtio/blk.js';
import type { BlockBackend } from '../../libs/vmm/devices/virtio/block-backend.js';
import type { GuestMemory } from '../../libs/vmm/memory.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

export const SECTOR = 512;
export const VERSION_1 = 1n << 32n;
export const F_RO = 1n << 5n;
export const F_FLUSH = 1n << 9n;
export const F_CONFIG_WCE = 1n << 11n;
export const F_DISCARD = 1n << 13n;
export const F_WRITE_ZEROES = 1n << 14n;

export const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];
export const [OK, IOERR, UNSUPP] = [0, 1, 2];

/** Room for one request: header, status, data. */
const SLOT_SIZE = 0x1_0000;
const DATA = 0x1000;

/** A file with that content, removed with the test. */
export function imageFile(content: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'drover-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'disk.img');
  writeFileSync(path, content);
  return path;
}

export async function openDisk(
  path: string,
  options: Partial<DiskFileOptions> = {},
  onError: OnDiskError = () => undefined,
) {
  const libc = await loadLibc();
  const disk = new GuestDisk(new DiskFile({ path, isReadOnly: false, canDiscard: true, libc, ...options }), onError);
  onTestFinished(() => disk.file.close());
  return disk;
}

export class BlkDriver {
  readonly virtio: VirtioDriver;
  readonly device: VirtioBlk;
  /** Slots of requests that wait for their answer, by queue and head. */
  private readonly waiting = new Map<string, number>();
  private readonly freeSlots = Array.from({ length: 32 }, (_, index) => index);

  constructor(backend: BlockBackend, options: Partial<BlkOptions> = {}, memory?: GuestMemory) {
    this.device = new VirtioBlk(backend, {
      ...{ serial: 'disk-1', queues: 1, logicalBlockSize: SECTOR, physicalBlockSize: SECTOR, writeCache: true },
      ...options,
    });
    this.virtio = new VirtioDriver(this.device, memory);
  }

  start(features = this.device.features | VERSION_1): this {
    if (this.virtio.start(features, 128) !== 15) throw new Error('the device refuses these features');
    return this;
  }

  /** Puts a request into a queue and tells the device; returns where it lies. */
  send(type: number, sector: number, data: Uint8Array | number = 0, queue = 0): number {
    const { memory } = this.virtio;
    const slot = this.freeSlots.shift()!;
    const at = BUFFERS + slot * SLOT_SIZE;
    memory.write32(at, type);
    memory.write64(at + 8, BigInt(sector));
    memory.write8(at + 16, 0xee);
    if (typeof data !== 'number') memory.writeBytes(at + DATA, data);
    const size = typeof data === 'number' ? data : data.length;
    const middle = size > 0 ? [{ address: at + DATA, size, writable: typeof data === 'number' }] : [];
    const buffers = [{ address: at, size: 16 }, ...middle, { address: at + 16, size: 1, writable: true }];
    this.waiting.set(`${queue}.${this.virtio.add(queue, buffers)}`, slot);
    this.virtio.notify(queue);
    return slot;
  }

  /** Resolves when all that was sent has been answered. */
  async settle(): Promise<void> {
    await vi.waitFor(
      () => {
        for (const queue of this.virtio.transport.queues.keys()) {
          for (const { head } of this.virtio.used(queue)) this.waiting.delete(`${queue}.${head}`);
        }
        if (this.waiting.size > 0) throw new Error(`${this.waiting.size} requests are not answered`);
      },
      { timeout: 90_000, interval: 1 },
    );
  }

  status(slot: number): number {
    return this.virtio.memory.read8(BUFFERS + slot * SLOT_SIZE + 16);
  }

  data(slot: number, size: number): Uint8Array {
    return this.virtio.memory.readBytes(BUFFERS + slot * SLOT_SIZE + DATA, size);
  }

  /** Its slot may be used again. */
  free(slot: number): void {
    this.freeSlots.push(slot);
  }

  /** One request from its beginning to its end: the status, and what was read. */
  async request(type: number, sector: number, data: Uint8Array | number = 0, queue = 0) {
    const slot = this.send(type, sector, data, queue);
    await this.settle();
    this.free(slot);
    return { status: this.status(slot), data: this.data(slot, typeof data === 'number' ? data : 0) };
  }

  /** The data of a request to discard or write zeroes (section 5.2.6). */
  static ranges(...ranges: readonly { sector: number; sectors: number; flags?: number }[]): Uint8Array {
    const view = new DataView(new ArrayBuffer(ranges.length * 16));
    ranges.forEach(({ sector, sectors, flags = 0 }, index) => {
      view.setBigUint64(index * 16, BigInt(sector), true);
      view.setUint32(index * 16 + 8, sectors, true);
      view.setUint32(index * 16 + 12, flags, true);
    });
    return new Uint8Array(view.buffer);
  }
}
