/**
 * What is to be done next about a host that is being switched on or off, given its row. Pure; each step may be repeated
 * without harm, so a controller that has ended in the middle of one begins it anew.
 */
import type { HostStatus, PowerOperation } from '#contracts';

export interface Situation {
  readonly hostName: string;
  readonly status: HostStatus;
  readonly statusSinceMs: number;
  readonly operation: PowerOperation;
  /** As measured last; null: never. */
  readonly bootSeconds: number | null;
  /** Its VMs and migrations are not known to have ended yet. */
  readonly hasVms: boolean;
  /** All of those are migrations to it in their switchover: only its agent can tell their sources what became of them. */
  readonly isAwaited: boolean;
}

export type PowerStep =
  /** Tell the power management to switch off, and wait until it has. */
  | { readonly action: 'switch_off' }
  | { readonly action: 'switch_on' }
  /** It was off and is to come back. */
  | { readonly action: 'turn_around' }
  | { readonly action: 'wait' }
  /** Nothing is left to do, or the host went another way. */
  | { readonly action: 'forget' }
  | { readonly action: 'give_up'; readonly to: HostStatus; readonly reason: string };

const ATTEMPTS = 3;
/** How long sources may take to tell that their VMs had arrived before the power was cut. */
const LAST_WORD_MS = 60_000;
/** A host may take so many times as long as the last time, and at least so long, until it counts as lost. */
const BOOT_FACTOR = 3;
const LEAST_BOOT_PATIENCE_MS = 900_000;

/** How long the next attempt waits after so many that failed. */
export const retryDelayMs = (attempts: number): number => 1000 * 2 ** attempts;

export function nextStep(situation: Situation, nowMs: number): PowerStep {
  const { hostName, status, operation, statusSinceMs } = situation;
  const isEarly = operation.notBefore !== null && nowMs < Date.parse(operation.notBefore);
  const hasFailed = operation.attempts >= ATTEMPTS && operation.error !== null;
  switch (status) {
    case 'powering_off':
      if (hasFailed)
        return {
          action: 'give_up',
          to: operation.fences ? 'non_responsive' : 'maintenance',
          reason: `${hostName} could not be switched off: ${operation.error}`,
        };
      return { action: isEarly ? 'wait' : 'switch_off' };
    case 'powered_off':
      if (operation.kind === 'off') return { action: 'forget' };
      // That it has no power proves that its VMs are down; on again, it would prove nothing.
      if (!situation.hasVms) return { action: 'turn_around' };
      return { action: situation.isAwaited && nowMs - statusSinceMs > LAST_WORD_MS ? 'turn_around' : 'wait' };
    case 'powering_on': {
      if (operation.switchedOnAt === null) {
        if (hasFailed)
          return {
            action: 'give_up',
            to: 'powered_off',
            reason: `${hostName} could not be switched on: ${operation.error}`,
          };
        return { action: isEarly ? 'wait' : 'switch_on' };
      }
      const waitedMs = nowMs - Math.max(statusSinceMs, Date.parse(operation.switchedOnAt));
      if (waitedMs < bootPatienceMs(situation.bootSeconds)) return { action: 'wait' };
      const minutes = Math.round(waitedMs / 60_000);
      const reason = `${hostName} was switched on ${minutes} minutes ago, and its agent has not answered; look at its console`;
      return { action: 'give_up', to: 'non_responsive', reason };
    }
    default:
      return { action: 'forget' };
  }
}

const bootPatienceMs = (bootSeconds: number | null): number =>
  Math.max(LEAST_BOOT_PATIENCE_MS, BOOT_FACTOR * 1000 * (bootSeconds ?? 0));
