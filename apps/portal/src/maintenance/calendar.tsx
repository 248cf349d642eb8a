/** When maintenance windows open in the coming weeks: a row for each week, a column for each day. */
import { Link } from 'react-router';
import type { CalendarEntry } from '#contracts';
import { useNow } from '../live/clock.js';
import { ProblemAlert } from '../parts/feedback.js';
import { plural } from '../parts/figures.js';
import { Panel } from '../parts/page.js';
import { useMaintenanceCalendar } from './use-maintenance.js';

const DAYS = 28;
const DAY_MS = 86_400_000;
const dayName = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayOfMonth = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });

/** The days that the calendar shows: four weeks from the Monday of this one. */
function daysShown(now: Date): Date[] {
  const monday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - ((now.getDay() + 6) % 7));
  return Array.from({ length: DAYS + 7 }, (_, index) => {
    const day = new Date(monday);
    day.setDate(monday.getDate() + index);
    return day;
  });
}

const isOn = (day: Date) => (entry: CalendarEntry) => {
  const startsMs = Date.parse(entry.startsAt);
  return startsMs >= day.getTime() && startsMs < day.getTime() + DAY_MS;
};

function Entry({ entry }: { entry: CalendarEntry }) {
  const { startsAt, endsAt, policyName, hosts } = entry;
  const times = `${timeOfDay.format(new Date(startsAt))}–${timeOfDay.format(new Date(endsAt))}`;
  const names = hosts.map(({ name }) => name).join(', ');
  return (
    <li className="calendar-entry" title={`${policyName}, ${times}: ${names}`}>
      <span className="nowrap">{times}</span> <Link to="/maintenance?tab=policies">{policyName}</Link>{' '}
      <span className="subtle">{plural(hosts.length, 'host')}</span>
    </li>
  );
}

export function MaintenanceCalendar() {
  const { data, error, refetch } = useMaintenanceCalendar();
  const now = new Date(useNow());
  const today = now.toDateString();
  return (
    <Panel title="Calendar">
      {error && !data && <ProblemAlert error={error} onRetry={() => void refetch()} />}
      <ol className="calendar" aria-label="Maintenance windows by day">
        {daysShown(now).map((day) => (
          <li
            key={day.toISOString()}
            className={`calendar-day ${day.toDateString() === today ? 'is-today' : day < now ? 'is-past' : ''}`}
          >
            <div className="subtle calendar-date">
              {dayName.format(day)} {dayOfMonth.format(day)}
            </div>
            <ul>
              {(data ?? []).filter(isOn(day)).map((entry) => (
                <Entry key={`${entry.policyId} ${entry.startsAt}`} entry={entry} />
              ))}
            </ul>
          </li>
        ))}
      </ol>
      {data?.length === 0 && (
        <p className="quiet">
          No window opens in these weeks; <Link to="/maintenance?tab=policies">maintenance policies</Link> have them.
        </p>
      )}
      <p className="subtle">Times are those of this computer; each window is reckoned in its own time zone.</p>
    </Panel>
  );
}
