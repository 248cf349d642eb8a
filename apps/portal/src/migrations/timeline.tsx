/** The states a migration went through, each with its time and how long after the one before. */
import type { MigrationDetail } from '#contracts';
import { duration } from '../parts/figures.js';
import { MigrationStatusLabel } from '../parts/status.js';
import { Clock } from '../parts/when.js';

export function Timeline({ timeline }: { timeline: MigrationDetail['timeline'] }) {
  if (timeline.length === 0) return <p className="quiet">Nothing has happened yet.</p>;
  return (
    <ol className="timeline">
      {timeline.map(({ at, status, message }, index) => {
        const before = timeline[index - 1];
        return (
          <li key={`${at} ${status}`}>
            <MigrationStatusLabel status={status} />
            <span className="timeline-time">
              <Clock at={at} />
              {before && (
                <span className="subtle"> +{duration(Math.max(0, Date.parse(at) - Date.parse(before.at)))}</span>
              )}
            </span>
            {message && <span className="timeline-message subtle">{message}</span>}
          </li>
        );
      })}
    </ol>
  );
}
