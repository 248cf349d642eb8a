/** From regions to the bytes of a WebAssembly module that runs on any hart of the VM. */
import { emitRegion } from './emit.js';
import type { Region } from './region.js';
import { ModuleBuilder } from './wasm/module.js';

/** The most that a WebAssembly memory can have. Whatever the VM's has, it is not more. */
const MEMORY_PAGES = 65_536;

/**
 * Exports the function of each region under its index ('0', '1', ...); imports the VM's memory as env.memory. `fuses` says
 * whether it may rely on the host's fused operations: by default, if it has them.
 */
export function translate(regions: readonly Region[], fuses?: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importSharedMemory('env', 'memory', 0, MEMORY_PAGES);
  regions.forEach((region, index) => module.export(String(index), module.add(emitRegion(region, fuses))));
  return module.finish();
}
