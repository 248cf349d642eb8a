/** A moment: relative to now, absolute on hover. */
import { useNow } from '../live/clock.js';
import { relative } from './figures.js';

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function When({ at, none = 'never' }: { at: string | null; none?: string }) {
  const now = useNow();
  if (at === null) return <span className="subtle">{none}</span>;
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={absolute.format(time)} className="nowrap">
      {relative(time, now)}
    </time>
  );
}

/** Hours, minutes, seconds; date and all on hover. */
export function Clock({ at }: { at: string }) {
  const time = new Date(at);
  return (
    <time dateTime={at} title={absolute.format(time)} className="nowrap subtle">
      {time.toLocaleTimeString(undefined, { hour12: false })}
    </time>
  );
}
