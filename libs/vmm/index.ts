export * as layout from './layout.js';
export { planBoot, type BootRequest } from './boot.js';
export type { MachineControl } from './control.js';
export { bitmapWords, countDirtiedPages, syncDirtyLog } from './dirty-log.js';
export { runHart, type HartThread } from './hart-loop.js';
export { Machine, type MachineOptions, type MachinePorts } from './machine.js';
export { GuestMemory, MAX_RAM_BYTES } from './memory.js';
