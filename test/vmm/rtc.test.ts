import { expect, test } from 'vitest';
import { Rtc } from '../../libs/vmm/devices/rtc.js';
import { FakeTime } from './fake-time.js';

const [TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH] = [0, 4, 8, 0xc];
const [IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT] = [0x10, 0x14, 0x18, 0x1c];
const MS = 1_000_000n;
/** 2024-05-06T07:08:09Z. */
const NOW_NS = 1_714_979_289_000n * MS;

class Driver {
  readonly time = new FakeTime();
  line = false;
  readonly rtc: Rtc;

  constructor(public wallAtStartNs = NOW_NS) {
    this.rtc = new Rtc({
      wallNs: () => this.wallAtStartNs + BigInt(this.time.ms) * MS,
      callAfter: this.time.callAfter,
      interrupt: (level) => (this.line = level),
    });
    this.rtc.resume();
  }

  /** As Linux does it: the lower half first when reading, the upper half first when writing. */
  now(): bigint {
    const low = this.rtc.read(TIME_LOW, 4);
    return (BigInt(this.rtc.read(TIME_HIGH, 4)) << 32n) | BigInt(low);
  }

  write(high: number, low: number, ns: bigint): void {
    this.rtc.write(high, 4, Number(ns >> 32n));
    this.rtc.write(low, 4, Number(ns & 0xffff_ffffn));
  }

  setAlarm(ns: bigint): void {
    this.write(ALARM_HIGH, ALARM_LOW, ns);
    this.rtc.write(IRQ_ENABLED, 4, 1);
  }
}

test("tells the host's wall clock, both halves of one moment", () => {
  const driver = new Driver(0x1_ffff_ffffn - MS + 1n);
  const low = driver.rtc.read(TIME_LOW, 4);
  driver.time.pass(5);
  expect([driver.rtc.read(TIME_HIGH, 4), low]).toEqual([1, 0xfff0_bdc0]);
  expect(new Driver().now()).toBe(NOW_NS);
});

test('goes on from what the guest has set it to', () => {
  const driver = new Driver();
  const earlier = NOW_NS - 400n * 86_400_000n * MS;
  driver.write(TIME_HIGH, TIME_LOW, earlier);
  driver.time.pass(10);
  expect(driver.now()).toBe(earlier + 10n * MS);
});

test('the alarm interrupts when its time comes, where that is enabled, until it is acknowledged', () => {
  const driver = new Driver();
  driver.setAlarm(NOW_NS + 50n * MS);
  expect([driver.rtc.read(ALARM_STATUS, 4), driver.line]).toEqual([1, false]);
  driver.time.pass(49);
  expect(driver.line).toBe(false);
  driver.time.pass(1);
  expect([driver.rtc.read(ALARM_STATUS, 4), driver.line]).toEqual([0, true]);
  driver.rtc.write(IRQ_ENABLED, 4, 0);
  expect(driver.line).toBe(false);
  driver.rtc.write(IRQ_ENABLED, 4, 1);
  driver.rtc.write(CLEAR_INTERRUPT, 4, 1);
  expect(driver.line).toBe(false);
});

test('an alarm in the past comes at once; one that is cleared never', () => {
  const driver = new Driver();
  driver.setAlarm(NOW_NS - MS);
  expect(driver.line).toBe(true);
  driver.rtc.write(CLEAR_INTERRUPT, 4, 1);
  driver.setAlarm(NOW_NS + MS);
  driver.rtc.write(CLEAR_ALARM, 4, 1);
  driver.time.pass(10);
  expect([driver.line, driver.time.waiting]).toEqual([false, 0]);
});

test('an alarm months ahead, and one that a change of the time has brought near', () => {
  const driver = new Driver();
  const days = 100n * 86_400_000n * MS;
  driver.setAlarm(NOW_NS + days);
  driver.time.pass(99 * 86_400_000);
  expect(driver.line).toBe(false);
  driver.write(TIME_HIGH, TIME_LOW, NOW_NS + days - MS);
  driver.time.pass(1);
  expect(driver.line).toBe(true);
});

test('no alarm comes while the guest is stopped; it does when it goes on', () => {
  const driver = new Driver();
  driver.setAlarm(NOW_NS + MS);
  driver.rtc.hold();
  driver.time.pass(10);
  expect([driver.line, driver.time.waiting]).toEqual([false, 0]);
  driver.rtc.resume();
  driver.time.pass(0);
  expect(driver.line).toBe(true);
});

test('elsewhere the date is that of the host there, with what the guest has changed, and its alarm', () => {
  const driver = new Driver();
  driver.write(TIME_HIGH, TIME_LOW, NOW_NS - 3600_000n * MS);
  driver.setAlarm(NOW_NS - 3600_000n * MS + 100n * MS);
  driver.rtc.hold();
  const there = new Driver(NOW_NS + 70n * MS);
  there.rtc.hold();
  const state = JSON.parse(JSON.stringify(driver.rtc.save())) as ReturnType<Rtc['save']>;
  there.rtc.restore(state);
  expect(there.rtc.save()).toEqual(state);
  expect(there.now()).toBe(NOW_NS + 70n * MS - 3600_000n * MS);
  there.rtc.resume();
  there.time.pass(29);
  expect(there.line).toBe(false);
  there.time.pass(1);
  expect(there.line).toBe(true);
});

test('after a reset it is set and armed no more', () => {
  const driver = new Driver();
  driver.write(TIME_HIGH, TIME_LOW, 0n);
  driver.setAlarm(MS);
  driver.rtc.reset();
  driver.time.pass(5);
  expect([driver.now(), driver.line]).toEqual([NOW_NS + 5n * MS, false]);
});

test.each([
  ['offsetNs', { offsetNs: '-1' }],
  ['alarmNs', { alarmNs: String(1n << 64n) }],
  ['irqPending', { irqPending: 2 }],
])('state with an impossible %s is refused', (field, change) => {
  const { rtc } = new Driver();
  expect(() => rtc.restore({ ...rtc.save(), ...change })).toThrow(new RegExp(`rtc state: ${field}`));
});
