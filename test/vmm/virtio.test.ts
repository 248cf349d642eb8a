/** The virtio-mmio transport and its queues, driven as a guest drives them, with the entropy device behind. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slice, spanBytes } from '../../libs/vmm/devices/virtio/queue.js';
import { VirtioRng } from '../../libs/vmm/devices/virtio/rng.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

const SEVENS = (size: number) => new Uint8Array(size).fill(7);
const VERSION_1 = 1n << 32n;
const EVENT_IDX = 1n << 29n;
const NEEDS_RESET = 64;

function started(features = VERSION_1) {
  const driver = new VirtioDriver(new VirtioRng(SEVENS));
  expect(driver.start(features)).toBe(15);
  return driver;
}

test('a driver finds the device and its transport', () => {
  const driver = new VirtioDriver(new VirtioRng(SEVENS));
  expect(driver.read(0)).toBe(0x74726976);
  expect(driver.read(4)).toBe(2);
  expect(driver.read(8)).toBe(4);
  driver.write(0x14, 1);
  expect(driver.read(0x10)).toBe(1);
  expect(driver.read(0x34)).toBe(8);
  driver.write(0x30, 1);
  expect(driver.read(0x34)).toBe(0);
});

test('a request is filled, given back and told of once', () => {
  const driver = started();
  const head = driver.add(0, [
    { address: BUFFERS, size: 10, writable: true },
    { address: BUFFERS + 100, size: 20, writable: true },
  ]);
  expect(driver.line).toBe(false);
  driver.notify(0);
  expect(driver.used(0)).toEqual([{ head, written: 30 }]);
  expect(driver.memory.readBytes(BUFFERS + 100, 21)).toEqual(Uint8Array.of(...SEVENS(20), 0));
  expect(driver.line).toBe(true);
  expect(driver.read(0x60)).toBe(1);
  driver.write(0x64, 1);
  expect(driver.line).toBe(false);
});

test('with EVENT_IDX it interrupts only where the driver asked for it', () => {
  const driver = started(VERSION_1 | EVENT_IDX);
  const usedEvent = driver.rings(0).available + 4 + 8 * 2;
  driver.memory.write16(usedEvent, 1);
  const request = () => {
    driver.add(0, [{ address: BUFFERS, size: 1, writable: true }]);
    driver.notify(0);
    return driver.line;
  };
  expect([request(), request()]).toEqual([false, true]);
  expect(driver.memory.read16(driver.rings(0).used + 4 + 8 * 8)).toBe(2); // wants to hear of the entry after
});

test('features without VERSION_1, or that were not offered, are refused', () => {
  const driver = new VirtioDriver(new VirtioRng(SEVENS));
  expect(driver.start(0n) & 8).toBe(0);
  expect(driver.start(VERSION_1 | 1n) & 8).toBe(0);
  expect(driver.start(VERSION_1)).toBe(15);
});

test.each([
  ['a buffer outside RAM', (d: VirtioDriver) => d.add(0, [{ address: 0x1000, size: 8, writable: true }])],
  ['a buffer beyond all memory', (d: VirtioDriver) => d.add(0, [{ address: 2 ** 60, size: 8, writable: true }])],
  [
    'a readable buffer behind a writable one',
    (d: VirtioDriver) =>
      d.add(0, [
        { address: BUFFERS, size: 1, writable: true },
        { address: BUFFERS, size: 1 },
      ]),
  ],
  [
    'a chain that bites its tail',
    (d: VirtioDriver) => {
      d.add(0, [
        { address: BUFFERS, size: 1, writable: true },
        { address: BUFFERS, size: 1, writable: true },
      ]);
      d.memory.write16(d.rings(0).descriptors + 16 + 12, 3);
      d.memory.write16(d.rings(0).descriptors + 16 + 14, 0);
    },
  ],
  ['more entries than fit', (d: VirtioDriver) => d.memory.write16(d.rings(0).available + 2, 9)],
  [
    'a head that is no descriptor',
    (d: VirtioDriver) => {
      d.add(0, [{ address: BUFFERS, size: 1, writable: true }]);
      d.memory.write16(d.rings(0).available + 4, 8);
    },
  ],
])('%s stops the device until it is reset', (_, misbehave) => {
  const driver = started();
  misbehave(driver);
  driver.notify(0);
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET);
  expect(driver.errors).toHaveLength(1);
  expect(driver.read(0x60)).toBe(2);
  driver.notify(0);
  expect(driver.errors).toHaveLength(1);
  expect(driver.start()).toBe(15);
});

test('a ready queue outside RAM is refused', () => {
  const driver = started();
  driver.write(0x44, 0);
  driver.write(0x84, 1);
  driver.write(0x44, 1);
  expect(driver.read(0x44)).toBe(0);
  expect(driver.errors).toEqual([expect.stringContaining('descriptor table')]);
});

test('what waits while the device is held still is done when it goes on, also elsewhere', async () => {
  const driver = started(VERSION_1 | EVENT_IDX);
  driver.add(0, [{ address: BUFFERS, size: 1, writable: true }]);
  driver.notify(0);
  await driver.transport.quiesce();
  const head = driver.add(0, [{ address: BUFFERS, size: 2, writable: true }]);
  driver.notify(0);
  const state = JSON.parse(JSON.stringify(driver.transport.save())) as ReturnType<typeof driver.transport.save>;

  const elsewhere = new VirtioDriver(new VirtioRng(SEVENS), driver.memory);
  elsewhere.transport.restore(state);
  expect(elsewhere.transport.save()).toEqual(state);
  elsewhere.transport.resume();
  expect(driver.used(0)).toEqual([
    { head: 0, written: 1 },
    { head, written: 2 },
  ]);
});

test.each([
  ['deviceId', { deviceId: 1 }, /device 1/],
  ['status', { status: 256 }, /status is 256/],
  ['features', { features: '1' }, /0x1 are not offered/],
  ['queues', { queues: [] }, /0 queues/],
])('state with an impossible %s is refused', async (_, change, reason) => {
  const driver = started();
  await driver.transport.quiesce();
  const state = { ...driver.transport.save(), ...change };
  expect(() => new VirtioDriver(new VirtioRng(SEVENS)).transport.restore(state)).toThrow(reason);
});

test('garbage in rings and registers never reaches beyond RAM and never throws', () => {
  const byte = fc.nat(255);
  const access = fc.record({ offset: fc.nat(0x1ff), size: fc.constantFrom(1, 2, 4), value: fc.nat(0xffff_ffff) });
  fc.assert(
    fc.property(
      fc.array(byte, { minLength: 64, maxLength: 64 }),
      fc.array(access, { maxLength: 30 }),
      (ring, writes) => {
        const driver = started(VERSION_1 | EVENT_IDX);
        const { descriptors, available } = driver.rings(0);
        driver.memory.writeBytes(descriptors, Uint8Array.from(ring));
        driver.memory.writeBytes(available, Uint8Array.from(ring.slice(7)));
        driver.notify(0);
        for (const { offset, size, value } of writes) {
          driver.transport.write(offset, size, value);
          driver.transport.read(offset, size);
        }
        expect([0, 1]).toContain(Number(driver.line));
      },
    ),
    { numRuns: 200 },
  );
});

test('slices of buffers keep every byte', () => {
  const spans = fc.array(fc.record({ address: fc.nat(1e6), size: fc.nat(50) }), { maxLength: 6 });
  const bytes = (list: { address: number; size: number }[]) =>
    list.flatMap(({ address, size }) => Array.from({ length: size }, (_, i) => address + i));
  fc.assert(
    fc.property(spans, fc.nat(120), fc.nat(120), (list, offset, size) => {
      expect(bytes(slice(list, offset, size))).toEqual(bytes(list).slice(offset, offset + size));
      expect(spanBytes(slice(list, 0))).toBe(spanBytes(list));
    }),
  );
});
