export * as layout from './layout.js';
export type { BootRequest } from './boot.js';
export type { MachineControl } from './control.js';
export { bitmapWords, countDirtiedPages, syncDirtyLog } from './dirty-log.js';
export type { VirtioDevice } from './devices/virtio/device.js';
export { VirtioRng } from './devices/virtio/rng.js';
export { runHart, type HartThread } from './hart-loop.js';
export { Machine } from './machine.js';
export { GuestMemory, MAX_RAM_BYTES } from './memory.js';
