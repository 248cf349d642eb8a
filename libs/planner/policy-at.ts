/** Which scheduling policy holds when: policies by time of day. */
import type { PolicySchedule, PolicyWindow, SchedulingPolicy, Weekday } from '#contracts';

interface Scheduled {
  /** Holds while no window is open. */
  readonly schedulingPolicy: SchedulingPolicy;
  readonly policySchedule: PolicySchedule | null;
}

/** The policy that holds at the time: that of the first window that is open, else the cluster's own. */
export function policyAt({ schedulingPolicy, policySchedule }: Scheduled, nowMs: number): SchedulingPolicy {
  const index = openWindow(policySchedule, nowMs);
  return index === null ? schedulingPolicy : policySchedule!.windows[index]!.schedulingPolicy;
}

/** Position of the first window that is open at the time; null if none is. Windows follow the clocks of their zone. */
export function openWindow(schedule: PolicySchedule | null, nowMs: number): number | null {
  if (!schedule) return null;
  const local = localTime(schedule.timeZone, nowMs);
  const index = schedule.windows.findIndex((window) => isOpen(window, local));
  return index < 0 ? null : index;
}

interface LocalTime {
  readonly day: Weekday;
  readonly dayBefore: Weekday;
  /** Such as 07:30; sorts as text. */
  readonly time: string;
}

function isOpen({ days, from, to }: PolicyWindow, { day, dayBefore, time }: LocalTime): boolean {
  const opensToday = days.includes(day) && time >= from;
  if (from < to) return opensToday && time < to;
  return opensToday || (days.includes(dayBefore) && time < to);
}

const DAYS: readonly Weekday[] = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

function localTime(timeZone: string, nowMs: number): LocalTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
  });
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const day = DAYS.indexOf(parts.get('weekday')!.toLowerCase() as Weekday);
  return { day: DAYS[day]!, dayBefore: DAYS[(day + 6) % 7]!, time: `${parts.get('hour')}:${parts.get('minute')}` };
}
