/** The thread of the translator: compiles what harts ask for. */
import { workerData, type MessagePort } from 'node:worker_threads';
import { runTranslator } from '#vmm/translator';

/** What the thread is given. */
export interface TranslatorThread {
  readonly memory: WebAssembly.Memory;
  /** To each hart's thread. */
  readonly ports: readonly MessagePort[];
}

const { memory, ports } = workerData as TranslatorThread;
runTranslator(memory, {
  compile: (bytes) => new WebAssembly.Module(bytes),
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
  post: (hart, translated) => ports[hart]!.postMessage(translated),
});
