import { z } from 'zod';
import { SchedulingPolicy } from './scheduling.js';

/** IANA's name of a time zone, such as Europe/Berlin. */
export const TimeZone = z
  .string()
  .refine(isTimeZone, 'use a name of the IANA time zone database, such as Europe/Berlin');

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false; // RangeError: it knows no such zone
  }
}

const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export const Weekday = z.enum(DAYS);
export type Weekday = z.infer<typeof Weekday>;

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'use HH:MM, 00:00 to 23:59');

/** A policy for some hours of some days. A window that ends at or before its beginning ends on the next day. */
export const PolicyWindow = z
  .object({
    /** Days on which it opens. */
    days: z
      .array(Weekday)
      .min(1, 'name a day')
      .default([...DAYS]),
    from: TimeOfDay,
    to: TimeOfDay,
    schedulingPolicy: SchedulingPolicy,
  })
  .strict();
export type PolicyWindow = z.infer<typeof PolicyWindow>;

/** Of windows that are open at once, the first counts. */
export const PolicySchedule = z
  .object({
    timeZone: TimeZone,
    windows: z.array(PolicyWindow).min(1, 'give a window, or null for no schedule').max(50),
  })
  .strict();
export type PolicySchedule = z.infer<typeof PolicySchedule>;
