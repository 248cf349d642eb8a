/** Events, newest first, each with links to what it is about. */
import { Link } from 'react-router';
import type { EventView } from '#contracts';
import { SeverityLabel } from '../parts/status.js';
import { When } from '../parts/when.js';

/** The page of what an event is about: the most telling one. */
export function placeOf(event: EventView): string | undefined {
  if (event.migrationId) return `/migrations/${event.migrationId}`;
  if (event.planId) return `/decisions/${event.planId}`;
  if (event.vmId) return `/vms/${event.vmId}`;
  if (event.hostId) return `/hosts/${event.hostId}`;
  return undefined;
}

export function EventList({ events }: { events: readonly EventView[] }) {
  if (events.length === 0) return <p className="quiet">Nothing has happened yet.</p>;
  return (
    <ul className="entries">
      {events.map((event) => {
        const place = placeOf(event);
        return (
          <li key={event.id} className="entry entry-event">
            <SeverityLabel status={event.severity} iconOnly />
            <span className="clamped" title={event.message}>
              {place ? (
                <Link to={place} className="plain-link">
                  {event.message}
                </Link>
              ) : (
                event.message
              )}
            </span>
            <span className="entry-end subtle">
              <When at={event.at} />
            </span>
          </li>
        );
      })}
    </ul>
  );
}
