/** The thread of one hart. */
import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { runHart, type HartThread } from '#vmm';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort!.postMessage(hostThreadId());
runHart(workerData as HartThread, process.hrtime.bigint);

/** The id by which the host's scheduler knows this thread; 0 where /proc does not tell. */
function hostThreadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch {
    return 0;
  }
}
