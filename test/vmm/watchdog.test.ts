import { expect, test } from 'vitest';
import { Watchdog } from '../../libs/vmm/devices/watchdog.js';
import { FakeTime } from './fake-time.js';

const [CTRL, CONFIG, MODE] = [0x10, 0x14, 0x18];
const RELOAD = (0x0a57 << 1) | 1;

/** As sunxi_wdt drives it. `heldMs`: for how long guest time has stood still. */
function newWatchdog(time = new FakeTime()) {
  const seen = { expired: 0, heldMs: 0 };
  const watchdog = new Watchdog({
    guestNs: () => BigInt(time.ms - seen.heldMs) * 1_000_000n,
    callAfter: time.callAfter,
    expired: () => (seen.expired += 1),
  });
  watchdog.resume();
  const start = (interval: number, config = 1) => {
    watchdog.write(CONFIG, 4, config);
    watchdog.write(MODE, 4, (interval << 4) | 1);
  };
  return { watchdog, time, seen, start, reload: () => watchdog.write(CTRL, 4, RELOAD) };
}

test.each([
  [0, 500],
  [1, 1000],
  [6, 6000],
  [7, 8000],
  [11, 16_000],
  [15, 16_000],
])('with interval %d it expires after %d ms', (interval, ms) => {
  const { time, seen, start } = newWatchdog();
  start(interval);
  time.pass(ms - 1);
  expect(seen.expired).toBe(0);
  time.pass(1);
  expect(seen.expired).toBe(1);
  time.pass(100_000);
  expect([seen.expired, time.waiting]).toEqual([1, 0]);
});

test('a guest that reloads it lives on', () => {
  const { watchdog, time, seen, start, reload } = newWatchdog();
  start(1);
  for (let i = 0; i < 10; i++) {
    time.pass(900);
    reload();
  }
  expect(seen.expired).toBe(0);
  watchdog.write(CTRL, 4, 1); // without the key
  time.pass(1000);
  expect(seen.expired).toBe(1);
});

test('stopped, never started, or not to reset the system, it does nothing', () => {
  const { watchdog, time, seen, start, reload } = newWatchdog();
  reload();
  start(0);
  watchdog.write(MODE, 4, 0);
  time.pass(5000);
  start(0, 2);
  time.pass(5000);
  expect([seen.expired, watchdog.read(CONFIG, 4), watchdog.read(MODE, 4)]).toEqual([0, 2, 1]);
});

test('its time stands still with the guest, and goes on elsewhere where it stopped', () => {
  const { watchdog, time, seen, start } = newWatchdog();
  start(1);
  time.pass(600);
  watchdog.hold();
  time.pass(10_000);
  seen.heldMs = 10_000;
  expect(seen.expired).toBe(0);
  const state = JSON.parse(JSON.stringify(watchdog.save())) as ReturnType<Watchdog['save']>;

  const there = newWatchdog(time);
  there.seen.heldMs = 10_000;
  there.watchdog.hold();
  there.watchdog.restore(state);
  expect(there.watchdog.save()).toEqual(state);
  there.watchdog.resume();
  time.pass(399);
  expect(there.seen.expired).toBe(0);
  time.pass(1);
  expect([there.seen.expired, seen.expired]).toEqual([1, 0]);
});

test.each([
  ['mode', { mode: 0x100 }],
  ['deadlineNs', { deadlineNs: 'soon' }],
])('state with an impossible %s is refused', (field, change) => {
  const { watchdog } = newWatchdog();
  expect(() => watchdog.restore({ ...watchdog.save(), ...change })).toThrow(new RegExp(`watchdog state: ${field}`));
});
