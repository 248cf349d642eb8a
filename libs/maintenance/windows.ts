/** When maintenance windows are open. */
import type { MaintenanceWindow } from '#contracts';
import { Cron } from 'croner';

export interface OpenWindow {
  readonly startsMs: number;
  readonly endsMs: number;
}

/** More than anybody looks at; a bound for windows that open each minute. */
const MOST_WINDOWS = 500;

/** What is wrong with a window, by field; null if nothing is. */
export function windowFault({
  cron,
  timeZone,
}: MaintenanceWindow): { field: 'cron' | 'timeZone'; message: string } | null {
  if (!isTimeZone(timeZone))
    return { field: 'timeZone', message: `${timeZone} is no time zone; use a name such as Europe/Berlin or UTC` };
  try {
    if (schedule({ cron, timeZone }).nextRun(new Date(0))) return null;
    return { field: 'cron', message: `${cron} never comes; correct day and month` };
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    return { field: 'cron', message: `use minute, hour, day, month and weekday, such as "0 2 * * 6": ${why}` };
  }
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The window that is open now; of several the one that closes last. */
export function openWindow(windows: readonly MaintenanceWindow[], nowMs: number): OpenWindow | null {
  const open = windows.flatMap((window) => {
    const last = schedule(window).previousRuns(1, new Date(nowMs + 1))[0];
    return last ? [from(window, last)].filter(({ endsMs }) => endsMs > nowMs) : [];
  });
  return open.toSorted((a, b) => b.endsMs - a.endsMs || b.startsMs - a.startsMs)[0] ?? null;
}

/** The first `most` that are open at `fromMs` or open after it, up to `toMs`, in order of time. */
export function windowsBetween(
  windows: readonly MaintenanceWindow[],
  fromMs: number,
  toMs: number,
  most = MOST_WINDOWS,
): readonly OpenWindow[] {
  return windows
    .flatMap((window) => firstWindows(window, fromMs - window.durationMinutes * 60_000, toMs, most))
    .toSorted((a, b) => a.startsMs - b.startsMs || a.endsMs - b.endsMs)
    .slice(0, most);
}

/** The one that is open, or else the next one that will be; null if there is none. */
export function nextWindow(windows: readonly MaintenanceWindow[], nowMs: number): OpenWindow | null {
  const open = openWindow(windows, nowMs);
  if (open) return open;
  const next = windows.flatMap((window) => {
    const starts = schedule(window).nextRun(new Date(nowMs));
    return starts ? [from(window, starts)] : [];
  });
  return next.toSorted((a, b) => a.startsMs - b.startsMs || b.endsMs - a.endsMs)[0] ?? null;
}

/** Without a function to call it keeps no timer: it only reckons. */
const schedule = ({ cron, timeZone }: Pick<MaintenanceWindow, 'cron' | 'timeZone'>): Cron =>
  new Cron(cron, { timezone: timeZone, mode: '5-part' });

const from = ({ durationMinutes }: MaintenanceWindow, starts: Date): OpenWindow => ({
  startsMs: starts.getTime(),
  endsMs: starts.getTime() + durationMinutes * 60_000,
});

/** Those that open after `afterMs`, up to and with `untilMs`. */
function firstWindows(window: MaintenanceWindow, afterMs: number, untilMs: number, most: number): OpenWindow[] {
  const cron = schedule(window);
  const found: OpenWindow[] = [];
  for (let at = cron.nextRun(new Date(afterMs)); at !== null && at.getTime() <= untilMs; at = cron.nextRun(at)) {
    found.push(from(window, at));
    if (found.length === most) break;
  }
  return found;
}
