/** Where the guest's pause went: its parts as a stacked bar, each named and measured below. */
import type { DowntimeBreakdown } from '#contracts';
import { duration, percentOf } from '../parts/figures.js';

const PARTS: readonly { key: keyof DowntimeBreakdown; title: string; help: string }[] = [
  { key: 'stopMs', title: 'Stop', help: 'until all harts stand still' },
  { key: 'finalSyncMs', title: 'Final sync', help: 'reading the dirty log for the last time' },
  { key: 'finalPagesMs', title: 'Final pages', help: 'sending what was left' },
  { key: 'deviceStateMs', title: 'Device state', help: 'sending harts, timers and devices' },
  { key: 'loadMs', title: 'Load', help: 'the destination takes it all in' },
  { key: 'resumeMs', title: 'Resume', help: 'until the guest runs at the destination' },
];

export function DowntimeBar({ breakdown, totalMs }: { breakdown: DowntimeBreakdown; totalMs: number }) {
  const sum = PARTS.reduce((total, { key }) => total + breakdown[key], 0);
  return (
    <div>
      <div className="stack-bar" aria-hidden>
        {PARTS.map(({ key, title }, index) => (
          <div
            key={key}
            className={`stack-part part-${index}`}
            style={{ inlineSize: `${percentOf(breakdown[key], sum)}%` }}
            title={`${title}: ${duration(breakdown[key])}`}
          />
        ))}
      </div>
      <dl className="stack-legend">
        {PARTS.map(({ key, title, help }, index) => (
          <div key={key} title={help}>
            <dt>
              <span className={`stack-key part-${index}`} aria-hidden /> {title}
            </dt>
            <dd>
              {duration(breakdown[key])} <span className="subtle">{percentOf(breakdown[key], sum).toFixed(0)} %</span>
            </dd>
          </div>
        ))}
        <div className="stack-total">
          <dt>Downtime</dt>
          <dd>{duration(totalMs)}</dd>
        </div>
      </dl>
    </div>
  );
}
