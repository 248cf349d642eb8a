import { expect, test } from 'vitest';
import { HeartbeatOrder } from '../../apps/controller/agents/heartbeat-order.js';

test('a heartbeat that was overtaken says nothing any more; other hosts are no matter', () => {
  const order = new HeartbeatOrder();
  expect(order.accept('a', 100_000)).toBe(true);
  expect(order.accept('a', 102_000)).toBe(true);
  expect(order.accept('a', 101_000)).toBe(false);
  expect(order.accept('b', 101_000)).toBe(true);
  expect(order.accept('a', 102_000)).toBe(true);
});

test('a host whose clock was set back by much is heard', () => {
  const order = new HeartbeatOrder();
  expect(order.accept('a', 10_000_000)).toBe(true);
  expect(order.accept('a', 5_000_000)).toBe(true);
  expect(order.accept('a', 5_001_000)).toBe(true);
});
