/**
 * What the translator's thread does all its life: wait until a hart asks for a translation, make modules, post them. It
 * blocks its thread and never returns. Should the thread die, harts interpret what has not been translated.
 */
import { demandAttention } from '../attention.js';
import { ATTENTION_FLUSH_WRITES, MACHINE, M_REQUESTED } from '../layout.js';
import { GuestMemory } from '../memory.js';
import { load32, wait } from '../shared.js';
import { announceModule, takeRequests } from './requests.js';
import { Translator, type TranslatedModule } from './translator.js';

export interface TranslatorLoopPorts {
  compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  /** Puts a module where the hart's thread will receive it. */
  post(hart: number, translated: TranslatedModule): void;
}

/** Translates for all harts of a VM in the calling thread, for ever. */
export function runTranslator(wasmMemory: WebAssembly.Memory, { compile, post }: TranslatorLoopPorts): never {
  const memory = new GuestMemory(wasmMemory);
  const harts = Array.from({ length: memory.harts }, (_, hart) => hart);
  const flushWrites = () => demandAttention(memory, harts, ATTENTION_FLUSH_WRITES);
  const translator = new Translator(memory, { compile, flushWrites });
  const send = (hart: number, translated: TranslatedModule) => {
    post(hart, translated);
    announceModule(memory, hart);
  };
  for (;;) {
    const seen = load32(memory, MACHINE + M_REQUESTED);
    const requests = takeRequests(memory, harts);
    if (requests.length === 0) {
      wait(memory, MACHINE + M_REQUESTED, seen);
      continue;
    }
    const { forAll, again } = translator.translate(requests);
    for (const translated of forAll) for (const hart of harts) send(hart, translated);
    for (const [hart, modules] of again) for (const translated of modules) send(hart, translated);
  }
}
