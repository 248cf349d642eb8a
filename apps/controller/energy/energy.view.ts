import type { EnergyView } from '#contracts';
import type { HostEnergy } from '#database';

const JOULES_PER_KWH = 3_600_000;
const SECONDS_PER_HOUR = 3600;

export function energyView(from: string, to: string, rows: readonly HostEnergy[]): EnergyView {
  const days = rows.map(({ day, hostId, hostName, clusterId, ...amount }) => ({
    ...{ day, hostId, hostName, clusterId },
    usedKWh: amount.usedJoules / JOULES_PER_KWH,
    savedKWh: amount.savedJoules / JOULES_PER_KWH,
    measuredKWh: amount.measuredJoules / JOULES_PER_KWH,
    onHours: amount.onSeconds / SECONDS_PER_HOUR,
    offHours: amount.offSeconds / SECONDS_PER_HOUR,
  }));
  const sum = (of: (day: (typeof days)[number]) => number) => days.reduce((total, day) => total + of(day), 0);
  return { from, to, usedKWh: sum(({ usedKWh }) => usedKWh), savedKWh: sum(({ savedKWh }) => savedKWh), days };
}
