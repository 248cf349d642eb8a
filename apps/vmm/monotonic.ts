import { setImmediate as immediately, setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#migration';

/** The host's monotonic clock. */
export const MONOTONIC: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    signal.throwIfAborted();
    await sleep(ms, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
  },
  breathe: () => immediately(),
};
