import { expect, test } from 'vitest';
import { isOvertaken } from '../../apps/controller/agents/heartbeat-order.js';

const at = (ms: number) => new Date(ms);

test.each([
  ['the first one of a host', 100_000, null, false],
  ['a later one', 102_000, at(100_000), false],
  ['the same one again, if its transaction was in the way of another', 102_000, at(102_000), false],
  ['one that was overtaken', 101_000, at(102_000), true],
  ['one of a host whose clock was set back by much', 5_000_000, at(10_000_000), false],
])('%s', (_, sentAtMs, newest, expected) => {
  expect(isOvertaken(at(sentAtMs), newest)).toBe(expected);
});
