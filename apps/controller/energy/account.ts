/** What a host draws, and what it does not because a policy has switched it off. Pure. */
import type { HostStatus } from '#contracts';
import { wattsAt } from '#planner';

export interface EnergyFacts {
  readonly status: HostStatus;
  readonly cpuCores: number | null;
  readonly cpuUsedCores: number | null;
  /** Watts from idle to fully busy; null = not known. */
  readonly curve: readonly number[] | null;
  readonly offWatts: number;
  /** As its BMC tells now; null = it does not. */
  readonly measuredWatts: number | null;
  /** A policy has switched it off. */
  readonly isParked: boolean;
}

export interface EnergyAmount {
  readonly usedJoules: number;
  readonly savedJoules: number;
  readonly measuredJoules: number;
  readonly onSeconds: number;
  readonly offSeconds: number;
}

/** Of `seconds` in which everything was as it is; null: nothing is known. */
export function energyOf(facts: EnergyFacts, seconds: number): EnergyAmount | null {
  const { status, measuredWatts, offWatts, isParked, curve } = facts;
  if (status === 'powered_off') {
    const draws = measuredWatts ?? offWatts;
    // On, it would run nothing: that is why it was switched off.
    const saved = isParked && curve ? Math.max(0, curve[0]! - draws) : 0;
    return {
      usedJoules: draws * seconds,
      savedJoules: saved * seconds,
      measuredJoules: (measuredWatts ?? 0) * seconds,
      onSeconds: 0,
      offSeconds: seconds,
    };
  }
  const watts = measuredWatts ?? modelledWatts(facts);
  if (watts === null) return null;
  const measuredJoules = (measuredWatts ?? 0) * seconds;
  return { usedJoules: watts * seconds, savedJoules: 0, measuredJoules, onSeconds: seconds, offSeconds: 0 };
}

/** By the power curve; a host that boots is taken to be busy. */
function modelledWatts({ status, curve, cpuCores, cpuUsedCores }: EnergyFacts): number | null {
  if (!curve || status === 'installing' || status === 'non_responsive') return null;
  if (status === 'powering_on') return wattsAt(curve, 1);
  return wattsAt(curve, cpuCores ? (cpuUsedCores ?? 0) / cpuCores : 0);
}
