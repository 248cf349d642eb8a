import type { HostPowerView, WakeUp } from '#contracts';
import type { HostPower } from '#database';
import { learntCurve } from '#planner';

/** How old a measurement of the BMC may be to be told. */
export const FRESH_MS = 180_000;

export const wakeUpOf = (power: Pick<HostPower, 'management' | 'provenAt'> | null): WakeUp =>
  !power?.management ? 'none' : power.provenAt ? 'proven' : 'unproven';

/** @param boots the latest first. */
export const powerView = (
  hostId: string,
  power: HostPower | null,
  boots: readonly { at: Date; seconds: number }[],
  now: Date,
): HostPowerView => ({
  hostId,
  management: power?.management ?? null,
  hasPassword: Boolean(power?.passwordEncrypted),
  wakeUp: wakeUpOf(power),
  provenAt: power?.provenAt?.toISOString() ?? null,
  bootSeconds: power?.bootSeconds ?? null,
  boots: boots.map(({ at, seconds }) => ({ at: at.toISOString(), seconds })),
  isParked: power?.isParked ?? false,
  powerSince: power?.powerSince.toISOString() ?? null,
  operation: power?.operation ?? null,
  wattsAt: power?.wattsAt ?? null,
  learntWattsAt: power ? learntCurve(power.wattsSamples) : null,
  offWatts: power?.offWatts ?? 0,
  measuredWatts:
    power?.measuredAt && now.getTime() - power.measuredAt.getTime() < FRESH_MS ? power.measuredWatts : null,
  inServiceSince: power?.inServiceSince ?? null,
});
