/** A bar for each day: what was used, and on top of it what was saved. */
import type { EnergyDay } from '#contracts';

/** There is room for a label below each of so many bars. */
const MOST_LABELS = 31;

export function EnergyBars({ days }: { days: readonly EnergyDay[] }) {
  const byDay = new Map<string, { used: number; saved: number }>();
  for (const { day, usedKWh, savedKWh } of days) {
    const before = byDay.get(day) ?? { used: 0, saved: 0 };
    byDay.set(day, { used: before.used + usedKWh, saved: before.saved + savedKWh });
  }
  const highest = Math.max(...[...byDay.values()].map(({ used, saved }) => used + saved), Number.EPSILON);
  const height = (kWh: number) => `${(100 * kWh) / highest}%`;
  return (
    <figure className="energy-bars">
      <div className="energy-bars-plot" aria-hidden>
        {[...byDay].map(([day, { used, saved }]) => (
          <div key={day} title={`${day}: ${used.toFixed(2)} kWh used, ${saved.toFixed(2)} kWh saved`}>
            <div className="energy-saved" style={{ blockSize: height(saved) }} />
            <div className="energy-used" style={{ blockSize: height(used) }} />
          </div>
        ))}
      </div>
      {byDay.size <= MOST_LABELS && (
        <div className="energy-bars-days subtle" aria-hidden>
          {[...byDay.keys()].map((day) => (
            <div key={day}>{day.slice(5)}</div>
          ))}
        </div>
      )}
      <figcaption className="subtle">
        <span className="energy-key energy-used" aria-hidden /> used{' '}
        <span className="energy-key energy-saved" aria-hidden /> saved; the highest bar is {highest.toFixed(2)} kWh
      </figcaption>
    </figure>
  );
}
