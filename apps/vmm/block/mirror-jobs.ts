/** The mirrors of this process, each a block job by its id. */
import type { NbdClient } from '#nbd';
import { Mirror, type MirrorEnd, type MirrorOptions } from './mirror.js';

/** Who is told what becomes of a job. */
export interface JobEars {
  ready(job: Mirror): void;
  ended(job: Mirror, end: MirrorEnd): void;
}

interface Entry {
  readonly job: Mirror;
  readonly ended: Promise<MirrorEnd>;
  /** How it ended; kept until somebody has looked. */
  end?: MirrorEnd;
}

export class MirrorJobs {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly ears: JobEars) {}

  /** Those that run, and those that have ended and were not to be dismissed. */
  get list(): readonly Pick<Entry, 'job' | 'end'>[] {
    return [...this.entries.values()];
  }

  find(id: string): Mirror | undefined {
    return this.entries.get(id)?.job;
  }

  /** Resolves when it has ended. */
  async cancel(id: string): Promise<void> {
    const entry = this.entries.get(id);
    entry?.job.cancel();
    await entry?.ended;
  }

  /** Forgets a job that has ended. Throws an Error if it has not. */
  dismiss(id: string): void {
    if (!this.entries.get(id)?.end) throw new Error(`job ${id} has not ended: it cannot be dismissed`);
    this.entries.delete(id);
  }

  isTarget(client: NbdClient): boolean {
    return this.list.some(({ job, end }) => job.target === client && !end);
  }

  /** Throws an Error if there is such a job, or the disk is being mirrored, or the target is none for it. */
  start(options: MirrorOptions, autoDismiss = true): void {
    const { id, disk, target } = options;
    if (this.entries.has(id)) throw new Error(`Job ID '${id}' already in use`);
    if (disk.tap) throw new Error(`job ${id}: this drive is mirrored already`);
    const { sizeBytes, isReadOnly, minimumBlockBytes } = target.disk;
    if (isReadOnly) throw new Error('the target is read-only');
    if (sizeBytes !== disk.sizeBytes) {
      throw new Error(`the drive has ${disk.sizeBytes} bytes and the target ${sizeBytes}: give one of the same size`);
    }
    if (minimumBlockBytes > 512) throw new Error(`the target takes no less than ${minimumBlockBytes} bytes at once`);
    const job: Mirror = new Mirror(options, () => this.ears.ready(job));
    const ended = job.run().then((end) => {
      entry.end = end;
      if (autoDismiss) this.entries.delete(id);
      this.ears.ended(job, end);
      return end;
    });
    const entry: Entry = { job, ended };
    this.entries.set(id, entry);
  }

  /**
   * The guest is stopped and is about to run elsewhere: every copy becomes equal and every mirror ends. Rejects with an
   * Error if one was not ready, or failed, or one of those that are `required` is not there any more; those that were
   * complete stay complete.
   */
  async completeAll(required: readonly string[] = []): Promise<void> {
    const jobs = [...this.entries.values()].filter(({ end }) => !end);
    const missing = required.find((id) => !jobs.some(({ job }) => job.id === id));
    if (missing !== undefined) throw new Error(`mirror ${missing} has ended: the disk there is not whole`);
    const early = jobs.find(({ job }) => job.status === 'running');
    if (early) {
      throw new Error(`mirror ${early.job.id} has ${early.job.remainingBytes} bytes to copy: wait until it is ready`);
    }
    for (const { job } of jobs) job.complete(true);
    for (const { job, ended } of jobs) {
      const end = await ended;
      if (end.kind === 'failed') throw new Error(`mirror ${job.id}: ${end.error.message}`, { cause: end.error });
      if (end.kind === 'cancelled') throw new Error(`mirror ${job.id} was cancelled`);
    }
  }
}
