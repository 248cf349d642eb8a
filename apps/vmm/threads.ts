/** The threads that execute guest code: one for each hart, and one that translates for all of them. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { setFlagsFromString } from 'node:v8';
import { hasRelaxedSimd, type Machine } from '#vmm';
import type { HartThread } from '#vmm/hart-thread';
import type { Acceleration } from './acceleration.js';
import type { TranslatorThread } from './translator-worker.js';

/** What the thread of a hart is given beside the hart itself. */
export interface HartWorkerData extends HartThread {
  readonly translation?: { readonly port: MessagePort; readonly translateAfter: number };
}

export interface ThreadPorts {
  /** A hart's thread has failed: the VM cannot go on. */
  hartFailed(error: unknown): void;
  log(line: string): void;
}

/** Starts the harts' threads; their host thread ids arrive in the list that is returned. */
export function startHarts(
  machine: Machine,
  hartModule: WebAssembly.Module,
  { translate, translateAfter }: Acceleration,
  { hartFailed, log }: ThreadPorts,
): number[] {
  const { memory, harts } = machine.memory;
  // Node.js 20 has it behind a flag; the guest's fused multiply-adds take one operation of the host with it.
  if (translate && !hasRelaxedSimd()) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const threadIds = Array.from({ length: harts }, () => 0);
  const channels = translate ? threadIds.map(() => new MessageChannel()) : [];
  for (let hartId = 0; hartId < harts; hartId++) {
    const port = channels[hartId]?.port2;
    const translation = port && { port, translateAfter };
    const workerData: HartWorkerData = { memory, hartModule, hartId, ...(translation && { translation }) };
    const worker = new Worker(new URL('./hart-worker.js', import.meta.url), {
      workerData,
      name: `hart ${hartId}`,
      transferList: port ? [port] : [],
    });
    worker.once('message', (threadId: number) => (threadIds[hartId] = threadId));
    worker.on('error', hartFailed);
  }
  if (translate)
    startTranslator(
      memory,
      channels.map(({ port1 }) => port1),
      log,
    );
  return threadIds;
}

/** If it fails, the guest does not notice, but for its speed. */
function startTranslator(memory: WebAssembly.Memory, ports: MessagePort[], log: (line: string) => void): void {
  const workerData: TranslatorThread = { memory, ports };
  const url = new URL('./translator-worker.js', import.meta.url);
  const worker = new Worker(url, { workerData, name: 'translator', transferList: ports });
  worker.on('error', (error) => log(`the translator has failed, new code is interpreted from now on: ${error.stack}`));
}
