/**
 * Copies a disk while its guest uses it (QEMU, block/mirror.c). What the guest changes after it has been copied is dirty
 * and copied again; write-blocking, the guest's request ends when the copy has it too, so that nothing becomes dirty any
 * more. All copies of the same bytes are made one after the other, and each reads the file when it begins: so the last
 * one has the last content.
 */
import { NbdConnectionError, type NbdClient } from '#nbd';
import { BandwidthLimiter, type Clock } from '#migration';
import type { GuestDisk, WriteTap } from '../devices/guest-disk.js';
import { BLOCK_BYTES, DirtyBlocks } from './dirty-blocks.js';
import { RangeLocks } from './range-locks.js';

export type CopyMode = 'background' | 'write-blocking';

export interface MirrorOptions {
  readonly id: string;
  /** The drive's id. */
  readonly device: string;
  readonly disk: GuestDisk;
  readonly target: NbdClient;
  /** none: only what the guest writes from now on. */
  readonly sync: 'full' | 'none';
  readonly copyMode: CopyMode;
  /** Bytes per second in the background; 0 = no limit. */
  readonly speed: number;
  readonly clock: Clock;
}

/**
 *     running -> ready -> pending -> concluded       ready: the copy has been equal once; pending: the last bytes travel
 *        \---------\---------\----^                  (cancelled, failed)
 */
export type MirrorStatus = 'running' | 'ready' | 'pending' | 'concluded';
export type MirrorEnd =
  { readonly kind: 'completed' | 'cancelled' } | { readonly kind: 'failed'; readonly error: Error };

const MAX_COPIES_UNDER_WAY = 16;
const MAX_COPY_BYTES = 2 ** 20;
/** A larger range that the guest clears at once is copied in the background. */
const MAX_BLOCKING_BYTES = 32 * 2 ** 20;
/** So long the target may leave requests without an answer; and while the guest is stopped. */
const PATIENCE_MS = 30_000;
const STOPPED_PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 500;

export class Mirror implements WriteTap {
  readonly id: string;
  status: MirrorStatus = 'running';
  copyMode: CopyMode;
  speed: number;
  /** What the copy has got, changes included. */
  copiedBytes = 0;
  /** Of these: zeroes that were not sent as such. */
  zeroBytes = 0;
  private readonly dirty: DirtyBlocks;
  private readonly locks = new RangeLocks();
  private readonly limiter: BandwidthLimiter;
  private readonly giveUp = new AbortController();
  private readonly buffers: Uint8Array[] = [];
  private readonly copies = new Set<Promise<void>>();
  private bytesUnderWay = 0;
  private lastAnswerMs: number;
  private patienceMs = PATIENCE_MS;
  private isCancelled = false;
  private wake = () => {};

  constructor(
    private readonly options: MirrorOptions,
    private readonly onReady: () => void,
  ) {
    this.id = options.id;
    this.copyMode = options.copyMode;
    this.speed = options.speed;
    this.dirty = new DirtyBlocks(options.disk.sizeBytes);
    this.limiter = new BandwidthLimiter(options.clock, options.speed);
    this.lastAnswerMs = options.clock.now();
  }

  get device(): string {
    return this.options.device;
  }

  get target(): NbdClient {
    return this.options.target;
  }

  get remainingBytes(): number {
    return this.dirty.bytes + this.bytesUnderWay;
  }

  setSpeed(bytesPerSecond: number): void {
    this.speed = bytesPerSecond;
    this.limiter.setRate(bytesPerSecond);
  }

  /** Resolves when the mirror has ended, in whatever way; the guest's requests are its own again by then. */
  async run(): Promise<MirrorEnd> {
    const { disk, target } = this.options;
    const { signal } = this.giveUp;
    disk.tap = this;
    const timer = setInterval(() => this.lookAtTarget(), LOOK_EVERY_MS);
    void target.closed.then((error) => this.fail(error ?? new NbdConnectionError('the connection was closed')));
    try {
      if (this.options.sync === 'full') await this.begin(() => this.markAll());
      await this.copyUntilComplete();
      await this.begin(() => target.flush());
      signal.throwIfAborted();
      return { kind: 'completed' };
    } catch (error) {
      return this.isCancelled ? { kind: 'cancelled' } : { kind: 'failed', error: (signal.reason ?? error) as Error };
    } finally {
      disk.tap = undefined;
      this.status = 'concluded';
      clearInterval(timer);
      if (!signal.aborted) this.giveUp.abort(new Error('the mirror has ended'));
      await target.disconnect();
    }
  }

  /**
   * Makes the copy equal one last time, then ends. `stopped`: the guest waits for it. Throws an Error unless the mirror
   * is ready, after which that takes no longer than the guest's last writes.
   */
  complete(stopped: boolean): void {
    if (this.status === 'running')
      throw new Error(`mirror ${this.id} is not ready: ${this.remainingBytes} bytes are left`);
    if (this.status !== 'ready') return;
    this.status = 'pending';
    this.copyMode = 'write-blocking';
    this.limiter.setRate(0);
    if (stopped) this.patienceMs = STOPPED_PATIENCE_MS;
    this.wake();
  }

  /** Ends at once; what the copy has then is no disk of any time. */
  cancel(): void {
    this.isCancelled = true;
    this.fail(new Error('cancelled'));
  }

  changed(offset: number, size: number): Promise<void> | undefined {
    if (this.giveUp.signal.aborted || size === 0) return undefined;
    const waits = this.copyMode === 'write-blocking' && size <= MAX_BLOCKING_BYTES && !this.dirty.hasAll(offset, size);
    if (waits) return this.begin(() => this.copyChange(offset, size));
    this.dirty.mark(offset, size);
    this.wake();
    return undefined;
  }

  /** All blocks but those that are holes here, and read as zeroes there. */
  private async markAll(): Promise<void> {
    const { disk } = this.options;
    for (let at = 0; at < disk.sizeBytes;) {
      for (const { sizeBytes, isHole } of disk.file.extents(at, disk.sizeBytes - at)) {
        if (isHole) await this.markUnlessZero(at, sizeBytes);
        else this.dirty.mark(at, sizeBytes);
        at += sizeBytes;
      }
      this.giveUp.signal.throwIfAborted();
    }
  }

  private async markUnlessZero(offset: number, size: number): Promise<void> {
    for (let at = offset; at < offset + size;) {
      for (const { sizeBytes, isZero } of await this.options.target.extents(at, offset + size - at)) {
        this.lastAnswerMs = this.options.clock.now();
        const here = Math.min(sizeBytes, offset + size - at);
        if (!isZero) this.dirty.mark(at, here);
        at += here;
      }
    }
  }

  private async copyUntilComplete(): Promise<void> {
    const { signal } = this.giveUp;
    for (;;) {
      signal.throwIfAborted();
      const hasRoom = this.copies.size < MAX_COPIES_UNDER_WAY;
      if (hasRoom && !this.dirty.isEmpty) {
        await this.limiter.ready(signal);
        const range = this.dirty.take(MAX_COPY_BYTES);
        if (range) void this.begin(() => this.copyBlocks(range.offset, range.size));
        continue;
      }
      if (this.dirty.isEmpty && this.copies.size === 0) {
        if (this.status === 'pending') {
          this.options.disk.tap = undefined; // in the moment in which nothing is dirty
          return;
        }
        if (this.status === 'running') {
          this.status = 'ready';
          this.onReady();
          continue;
        }
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Counts a copy as under way. Never rejects: what fails ends the mirror, and is no concern of the guest's. */
  private begin(copy: () => Promise<void>): Promise<void> {
    if (this.copies.size === 0) this.lastAnswerMs = this.options.clock.now();
    const ended = copy()
      .catch((error: unknown) => this.fail(error as Error))
      .finally(() => {
        this.copies.delete(ended);
        this.lastAnswerMs = this.options.clock.now();
        this.wake();
      });
    this.copies.add(ended);
    return ended;
  }

  private async copyBlocks(offset: number, size: number): Promise<void> {
    this.bytesUnderWay += size;
    try {
      this.limiter.spend(size);
      const sentBytes = await this.locks.run(offset, size, () => this.copy(offset, size));
      this.limiter.spend(sentBytes - size); // zeroes are free
    } finally {
      this.bytesUnderWay -= size;
    }
  }

  /** What the guest has just written, while its request waits. */
  private async copyChange(offset: number, size: number): Promise<void> {
    for (let at = 0; at < size; at += MAX_COPY_BYTES) {
      const length = Math.min(MAX_COPY_BYTES, size - at);
      await this.locks.run(offset + at, length, () => this.copy(offset + at, length));
    }
  }

  /** Brings at most MAX_COPY_BYTES to the target; blocks of zeroes as such. Returns how much of it was sent as data. */
  private async copy(offset: number, size: number): Promise<number> {
    const { disk, target } = this.options;
    const buffer = this.buffers.pop() ?? new Uint8Array(MAX_COPY_BYTES);
    const data = buffer.subarray(0, size);
    await disk.file.read([data], offset);
    let sentBytes = 0;
    for (const { at, length, isZero } of runs(data)) {
      if (isZero) {
        await target.writeZeroes(offset + at, length, true);
        this.zeroBytes += length;
      } else {
        await target.write(offset + at, data.subarray(at, at + length));
        sentBytes += length;
      }
    }
    this.buffers.push(buffer);
    this.copiedBytes += size;
    return sentBytes;
  }

  private fail(error: Error): void {
    if (this.status === 'concluded' || this.giveUp.signal.aborted) return;
    this.giveUp.abort(error);
    this.options.target.fail(error.message); // whoever waits for an answer need not wait any longer
    this.wake();
  }

  private lookAtTarget(): void {
    const silentMs = this.options.clock.now() - this.lastAnswerMs;
    if (this.copies.size > 0 && silentMs > this.patienceMs) {
      this.fail(new NbdConnectionError(`the NBD server has not answered for ${Math.round(silentMs / 1000)} s`));
    }
  }
}

const ZEROES = Buffer.alloc(BLOCK_BYTES);

/** Pieces of BLOCK_BYTES that are all zero, or not, those of a kind together. */
function runs(data: Uint8Array): { at: number; length: number; isZero: boolean }[] {
  const found: { at: number; length: number; isZero: boolean }[] = [];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const piece = data.subarray(at, at + BLOCK_BYTES);
    const isZero = ZEROES.compare(piece, 0, piece.length, 0, piece.length) === 0;
    const last = found.at(-1);
    if (last?.isZero === isZero) last.length += piece.length;
    else found.push({ at, length: piece.length, isZero });
  }
  return found;
}
