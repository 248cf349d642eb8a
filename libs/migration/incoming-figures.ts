import type { ArrivingStatus } from './postcopy-destination.js';

/**
 *     waiting -> active -> loaded -> running       loaded: all that comes before COMMIT is here, but not COMMIT
 *                   |         |\--> postcopy -> running
 *                   |         |        |  ^\             postcopy: the guest runs, and pages are still to come
 *                   |         |        v    \
 *                   |         |   postcopy_paused -> postcopy_recover -> postcopy, postcopy_paused
 *                   |         |        |                 postcopy_paused: the source is not connected
 *                    \---------\--------\--> failed
 */
export type IncomingStatus = 'waiting' | 'active' | 'loaded' | ArrivingStatus | 'running' | 'failed';

export interface IncomingFigures {
  readonly status: IncomingStatus;
  readonly migrationId: string | null;
  /** Of the newest owner that is known here; of this machine itself once it is loaded. */
  readonly epoch: number;
  readonly pages: number;
  readonly zeroPages: number;
  readonly iteration: number;
  /** In post-copy: pages that are still to come, and for how long all harts at once have waited for such. */
  readonly missingPages: number;
  readonly overlappedBlockMs: number;
  /** False between a lost connection and the word to finish, or new connections. */
  readonly isConnected: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export const nothingYet = (epoch: number): IncomingFigures => ({
  status: 'waiting',
  migrationId: null,
  epoch,
  pages: 0,
  zeroPages: 0,
  iteration: 0,
  missingPages: 0,
  overlappedBlockMs: 0,
  isConnected: false,
  error: null,
});
