/** One thread that hashes pages of a VM's memory. */
import { hash } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import { hashPages, samePages, type PageDigest } from '#migration';
import { GuestMemory } from '#vmm';
import { loadPages } from './checkpoint-file.js';
import type { HashOrder } from './hash-pool.js';
import { serveOrders } from './thread-pool.js';

const memory = new GuestMemory(workerData as WebAssembly.Memory);
const digest: PageDigest = (page) => hash('sha256', page, 'buffer');

serveOrders((order: HashOrder) => {
  if (order.kind === 'compare') return samePages(memory, order.hashes, digest);
  const { content, from, pages } = order;
  loadPages(memory, content, from, pages);
  return hashPages(memory, pages, digest);
});
