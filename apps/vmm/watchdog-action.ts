/** What follows when the guest's watchdog expires, in QEMU's words (WatchdogAction). */
export const WATCHDOG_ACTIONS = ['reset', 'shutdown', 'poweroff', 'pause', 'none'] as const;
export type WatchdogAction = (typeof WATCHDOG_ACTIONS)[number];
