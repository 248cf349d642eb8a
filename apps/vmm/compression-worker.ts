/** One thread of a CompressionPool: one batch after the other. */
import { workerData } from 'node:worker_threads';
import { compressInPlace, loadCompressors, type CompressionJob } from '#migration';
import { GuestMemory } from '#vmm';
import { serveOrders } from './thread-pool.js';

const memory = new GuestMemory(workerData as WebAssembly.Memory);
const compressors = loadCompressors();

serveOrders(async (job: CompressionJob) => compressInPlace(memory, (await compressors)[job.method], job));
