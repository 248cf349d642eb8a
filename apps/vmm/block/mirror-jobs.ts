/** The mirrors of this process, each a block job by its id. */
import type { NbdClient } from '#nbd';
import { Mirror, type MirrorEnd, type MirrorOptions } from './mirror.js';

/** Who is told what becomes of a job. */
export interface JobEars {
  ready(job: Mirror): void;
  ended(job: Mirror, end: MirrorEnd): void;
}

export class MirrorJobs {
  private readonly running = new Map<string, { readonly job: Mirror; readonly ended: Promise<MirrorEnd> }>();

  constructor(private readonly ears: JobEars) {}

  get list(): readonly Mirror[] {
    return [...this.running.values()].map(({ job }) => job);
  }

  find(id: string): Mirror | undefined {
    return this.running.get(id)?.job;
  }

  isTarget(client: NbdClient): boolean {
    return this.list.some(({ target }) => target === client);
  }

  /** Throws an Error if there is such a job, or the disk is being mirrored, or the target is none for it. */
  start(options: MirrorOptions): void {
    const { id, disk, target } = options;
    if (this.running.has(id)) throw new Error(`Job ID '${id}' already in use`);
    if (disk.tap) throw new Error(`job ${id}: this drive is mirrored already`);
    const { sizeBytes, isReadOnly, minimumBlockBytes } = target.disk;
    if (isReadOnly) throw new Error('the target is read-only');
    if (sizeBytes !== disk.sizeBytes) {
      throw new Error(`the drive has ${disk.sizeBytes} bytes and the target ${sizeBytes}: give one of the same size`);
    }
    if (minimumBlockBytes > 512) throw new Error(`the target takes no less than ${minimumBlockBytes} bytes at once`);
    const job: Mirror = new Mirror(options, () => this.ears.ready(job));
    const ended = job.run().then((end) => {
      this.running.delete(id);
      this.ears.ended(job, end);
      return end;
    });
    this.running.set(id, { job, ended });
  }

  /**
   * The guest is stopped and is about to run elsewhere: every copy becomes equal and every mirror ends. Rejects with an
   * Error if one was not ready, or failed; those that were complete stay complete.
   */
  async completeAll(): Promise<void> {
    const jobs = [...this.running.values()];
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
