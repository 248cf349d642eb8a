/** One thread of a CompressionPool: one batch after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { compressInPlace, loadCompressors, type CompressionJob } from '#migration';
import { GuestMemory } from '#vmm';
import type { CompressionAnswer } from './compression-pool.js';

const memory = new GuestMemory(workerData as WebAssembly.Memory);
const compressors = loadCompressors();

parentPort!.on('message', async (job: CompressionJob) => {
  let answer: CompressionAnswer;
  try {
    answer = { bytes: compressInPlace(memory, (await compressors)[job.method], job) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
  parentPort!.postMessage(answer);
});
