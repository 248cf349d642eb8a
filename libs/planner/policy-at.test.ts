import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PolicySchedule, SchedulingPolicy } from '#contracts';
import { openWindow, policyAt } from './policy-at.js';

const none = SchedulingPolicy.parse({ name: 'none' });
const saving = SchedulingPolicy.parse({ name: 'power_saving' });
const evenly = SchedulingPolicy.parse({ name: 'evenly_distributed' });

const nightly = PolicySchedule.parse({
  timeZone: 'Europe/Berlin',
  windows: [
    { from: '22:00', to: '06:00', schedulingPolicy: saving },
    { days: ['saturday', 'sunday'], from: '00:00', to: '00:00', schedulingPolicy: none },
  ],
});
const at = (time: string) =>
  policyAt({ schedulingPolicy: evenly, policySchedule: nightly }, Date.parse(`2026-${time}:00Z`)).name;

test.each([
  ['a winter evening in Berlin is an hour later than in Greenwich', '01-14T20:59', 'evenly_distributed'],
  ['the window opens', '01-14T21:00', 'power_saving'],
  ['it goes on after midnight', '01-15T04:59', 'power_saving'],
  ['and ends', '01-15T05:00', 'evenly_distributed'],
  ['in summer it opens an hour earlier by Greenwich', '07-15T20:00', 'power_saving'],
  ['a Saturday, all day', '01-17T12:00', 'none'],
  ['the first window that is open counts', '01-17T22:30', 'power_saving'],
  ['a Sunday until midnight', '01-18T20:30', 'none'],
  ['a Monday morning is not the Sunday any more', '01-19T06:00', 'evenly_distributed'],
])('%s', (_, time, name) => {
  expect(at(time)).toBe(name);
});

test('a window over midnight belongs to the day on which it opens', () => {
  const fridays = {
    timeZone: 'UTC',
    windows: [{ days: ['friday'], from: '20:00', to: '04:00', schedulingPolicy: none }],
  };
  const schedule = PolicySchedule.parse(fridays);
  const isOpen = (time: string) => openWindow(schedule, Date.parse(`2026-${time}:00Z`)) === 0;
  expect(['01-16T19:59', '01-16T20:00', '01-17T03:59', '01-17T04:00', '01-16T03:00'].map(isOpen)).toEqual([
    false,
    true,
    true,
    false,
    false,
  ]);
});

test('without a schedule the policy of the cluster always holds; a window and its rest share each day', () => {
  const minutes = fc.nat(14 * 24 * 60).map((minute) => Date.UTC(2026, 2, 20) + minute * 60_000); // clocks change within
  const time = fc.tuple(fc.nat(23), fc.nat(59)).map((parts) => parts.map((n) => String(n).padStart(2, '0')).join(':'));
  fc.assert(
    fc.property(minutes, time, time, (nowMs, from, to) => {
      expect(policyAt({ schedulingPolicy: evenly, policySchedule: null }, nowMs)).toBe(evenly);
      fc.pre(from !== to);
      const open = (begin: string, end: string) =>
        openWindow(
          PolicySchedule.parse({
            timeZone: 'America/New_York',
            windows: [{ from: begin, to: end, schedulingPolicy: none }],
          }),
          nowMs,
        ) === 0;
      expect(open(from, to)).toBe(!open(to, from));
    }),
  );
});

test('zones, days and times that there are not are refused', () => {
  const window = { from: '22:00', to: '06:00', schedulingPolicy: none };
  const fields = (value: unknown) => PolicySchedule.safeParse(value).error?.issues.map(({ path }) => path.join('.'));
  expect(fields({ timeZone: 'Mars/Olympus', windows: [window] })).toEqual(['timeZone']);
  expect(fields({ timeZone: 'UTC', windows: [{ ...window, to: '24:00' }] })).toEqual(['windows.0.to']);
  expect(fields({ timeZone: 'UTC', windows: [{ ...window, days: [] }] })).toEqual(['windows.0.days']);
  expect(fields({ timeZone: 'UTC', windows: [] })).toEqual(['windows']);
});
