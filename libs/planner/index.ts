/** Where should VMs be? Facts and a policy in, moves with reasons out. No clock, no randomness, no I/O. */
export { driverFor } from './drivers.js';
export type * from './facts.js';
export { checkMove, checkPlacement, chooseDestination, placeVm } from './destination.js';
export { imbalance, plan } from './plan.js';
