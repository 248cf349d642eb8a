/** QMP events of mirrors. */
import type { QmpServer } from '#qmp';
import type { Mirror, MirrorEnd } from './mirror.js';
import type { JobEars } from './mirror-jobs.js';

export const MIRROR_EVENTS = [
  ...['BLOCK_JOB_CANCELLED', 'BLOCK_JOB_COMPLETED', 'BLOCK_JOB_ERROR', 'BLOCK_JOB_READY'],
] as const;

/** The events of jobs. */
export function tellOfJobs(qmp: QmpServer): JobEars {
  return {
    ready: (job) => qmp.emit('BLOCK_JOB_READY', summary(job)),
    ended: (job, end: MirrorEnd) => {
      if (end.kind === 'cancelled') return qmp.emit('BLOCK_JOB_CANCELLED', summary(job));
      if (end.kind === 'failed') qmp.emit('BLOCK_JOB_ERROR', { device: job.id, operation: 'write', action: 'report' });
      const error = end.kind === 'failed' && { error: end.error.message };
      qmp.emit('BLOCK_JOB_COMPLETED', { ...summary(job), ...error });
    },
  };
}

/** What events and query-block-jobs tell alike. */
export const summary = (job: Mirror) => ({
  type: 'mirror',
  device: job.id,
  len: job.copiedBytes + job.remainingBytes,
  offset: job.copiedBytes,
  speed: job.speed,
});
