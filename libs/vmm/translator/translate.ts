/** From regions to the bytes of a WebAssembly module that runs on any hart of the VM. */
import { emitRegion, type TranslationTarget } from './emit.js';
import { hostFuses } from './fusing.js';
import type { Region } from './region.js';
import { ModuleBuilder } from './wasm/module.js';

/** The most that a WebAssembly memory can have. Whatever the VM's has, it is not more. */
const MEMORY_PAGES = { i32: 65_536, i64: 262_144 };

/** Exports the function of each region under its index ('0', '1', ...); imports the VM's memory as env.memory. */
export function translate(
  regions: readonly Region[],
  { addresses = 'i32', fuses = hostFuses() }: Partial<TranslationTarget> = {},
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importSharedMemory('env', 'memory', { addresses, initialPages: 0, maximumPages: MEMORY_PAGES[addresses] });
  const target = { addresses, fuses };
  regions.forEach((region, index) => module.export(String(index), module.add(emitRegion(region, target))));
  return module.finish();
}
