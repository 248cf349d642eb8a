/** The thread of one hart. */
import { readlinkSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { runHart, type TranslatedModule } from '#vmm/hart-thread';
import type { HartWorkerData } from './threads.js';

const { translation, ...hart } = workerData as HartWorkerData;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort!.postMessage(hostThreadId());
runHart(
  hart,
  process.hrtime.bigint,
  translation && {
    translateAfter: translation.translateAfter,
    receive: () => receiveMessageOnPort(translation.port)?.message as TranslatedModule | undefined,
  },
);

/** The id by which the host's scheduler knows this thread; 0 where /proc does not tell. */
function hostThreadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch {
    return 0;
  }
}
