/** A disk as the guest has it: its file, what was done with it, and what errors of the host become. */
import { BlockError, BlockHeld, type BlockBackend } from '#vmm';
import type { DiskFile } from './disk-file.js';

export type DiskOperation = 'read' | 'write' | 'flush' | 'discard';

export interface OperationFigures {
  operations: number;
  failed: number;
  bytes: number;
  timeNs: bigint;
}

/** What becomes of an error: the guest hears of it, or nothing of it, or is stopped and its request tried again later. */
export type ErrorAction = 'report' | 'ignore' | 'stop';

/** QEMU's policies for errors (-drive werror=, rerror=); enospc: stop if there is no space left, else report. */
export interface ErrorPolicy {
  readonly write: ErrorAction | 'enospc';
  readonly read: ErrorAction;
}
export const REPORT_ERRORS: ErrorPolicy = { write: 'report', read: 'report' };

/** Called for each operation that the host could not do. */
export type OnDiskError = (operation: DiskOperation, error: NodeJS.ErrnoException, action: ErrorAction) => void;

export const isOutOfSpace = ({ code }: NodeJS.ErrnoException): boolean => code === 'ENOSPC' || code === 'EDQUOT';

/** Hears of each range that the guest has changed, or may have: a request that failed may have been done in part. */
export interface WriteTap {
  /** The guest is told that its request has ended when this has resolved. */
  changed(offset: number, size: number): Promise<void> | undefined;
}

export class GuestDisk implements BlockBackend {
  readonly figures: Record<DiskOperation, OperationFigures>;
  /** Who hears of writes; at most one. */
  tap: WriteTap | undefined;

  constructor(
    readonly file: DiskFile,
    private readonly onError: OnDiskError,
    private readonly policy: ErrorPolicy = REPORT_ERRORS,
  ) {
    const figures = () => ({ operations: 0, failed: 0, bytes: 0, timeNs: 0n });
    this.figures = { read: figures(), write: figures(), flush: figures(), discard: figures() };
  }

  get sizeBytes(): number {
    return this.file.sizeBytes;
  }

  get isReadOnly(): boolean {
    return this.file.isReadOnly;
  }

  get canDiscard(): boolean {
    return this.file.canDiscard;
  }

  read(views: readonly Uint8Array[], offset: number): Promise<void> {
    return this.account('read', bytesIn(views), () => this.file.read(views, offset));
  }

  write(views: readonly Uint8Array[], offset: number): Promise<void> {
    const size = bytesIn(views);
    return this.change('write', offset, size, () => this.file.write(views, offset));
  }

  async flush(): Promise<void> {
    if (!this.isReadOnly) await this.account('flush', 0, () => this.file.flush());
  }

  discard(offset: number, size: number): Promise<void> {
    return this.change('discard', offset, size, () => this.file.discard(offset, size));
  }

  writeZeroes(offset: number, size: number, mayUnmap: boolean): Promise<void> {
    return this.change('write', offset, size, () => this.file.writeZeroes(offset, size, mayUnmap));
  }

  private async change(operation: DiskOperation, offset: number, size: number, action: () => Promise<void>) {
    try {
      await this.account(operation, size, action);
    } finally {
      await this.tap?.changed(offset, size);
    }
  }

  /** Counts an operation; an error of the host becomes a BlockError, all others are bugs and stay what they are. */
  private async account(operation: DiskOperation, bytes: number, action: () => Promise<void>): Promise<void> {
    const figures = this.figures[operation];
    const begin = process.hrtime.bigint();
    try {
      await action();
      figures.operations++;
      figures.bytes += bytes;
    } catch (error) {
      const reason = error as NodeJS.ErrnoException;
      if (reason.errno === undefined) throw error;
      figures.failed++;
      const wanted = operation === 'read' ? this.policy.read : this.policy.write;
      const outcome = wanted !== 'enospc' ? wanted : isOutOfSpace(reason) ? 'stop' : 'report';
      this.onError(operation, reason, outcome);
      if (outcome === 'stop') throw new BlockHeld(reason.message, { cause: error });
      if (outcome === 'report') throw new BlockError(reason.message, { cause: error });
    } finally {
      figures.timeNs += process.hrtime.bigint() - begin;
    }
  }
}

const bytesIn = (views: readonly Uint8Array[]): number => views.reduce((sum, { length }) => sum + length, 0);
