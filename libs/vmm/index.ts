export * as layout from './layout.js';
export type { MachineControl } from './control.js';
export { bitmapWords, countDirtiedPages, syncDirtyLog } from './dirty-log.js';
export { GuestMemory, MAX_RAM_BYTES } from './memory.js';
