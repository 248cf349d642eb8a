/** When do hosts go into maintenance, and what comes next? Facts in, steps with reasons out. No clock, no I/O. */
export { decideMaintenance } from './decide.js';
export { type LeavingVm, secondsToEmpty } from './eta.js';
export type * from './facts.js';
export { agentVersionCheck, clockCheck } from './health.js';
export { withReturns } from './returns.js';
export { dueRollouts, inGroups, inScope } from './triggers.js';
export { type VmMoves, type VmRow, followVms, newVm } from './vms.js';
export { type OpenWindow, nextWindow, openWindow, windowFault, windowsBetween } from './windows.js';
