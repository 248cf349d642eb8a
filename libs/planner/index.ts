/** Where should VMs be? Facts and a policy in, moves with reasons out. No clock, no randomness, no I/O. */
export type * from './answers.js';
export { driverFor } from './drivers.js';
export type * from './facts.js';
export { type LoadHistory, observe } from './history.js';
export {
  type Forecast,
  type LoadSlot,
  coresUsed,
  forecastHorizons,
  forecastLoad,
  SLOT_MS,
  withForecast,
} from './forecast.js';
export { overUtilizedSince, smooth, smoothingWeight } from './load.js';
export { checkMove, checkPlacement, chooseDestination, placeVm } from './destination.js';
export { type Conflict, conflictsOf } from './conflicts.js';
export { type EndedMove, restAfter } from './cooldown.js';
export { type BlockedVm, type Emptying, chooseAnyDestination, emptyHosts } from './emptying.js';
export { type HostScore, type Placement, explainPlacement } from './placement.js';
export { violationsOf } from './violations.js';
export { isStillDue } from './host-power.js';
export { whyBound } from './movable.js';
export { imbalance, plan } from './plan.js';
export { openWindow, policyAt } from './policy-at.js';
export { addWatts, learntCurve, type WattsSamples } from './learnt-curve.js';
export { type PowerCurve, wattsAt } from './power-curve.js';
export { type MoveUnderWay, nextSteps, type PlanStep } from './progress.js';
export { nextMoves, whyOutdated } from './steps.js';
export { UNWATCHED_VM } from './unwatched-vm.js';
export { type WhatIfAnswer, whatIf } from './what-if.js';
