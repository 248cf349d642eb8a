/** A guest gives memory up while it is being moved: what was sent already must arrive as the zeros that it is now. */
import { expect, test, vi } from 'vitest';
import { IncomingMigration, PrecopySource } from '#migration';
import { openHostMemory } from '../../apps/vmm/host-memory.js';
import { VirtioBalloon } from '../../libs/vmm/devices/virtio/balloon.js';
import { PAGE_SIZE, RAM_BASE } from '../../libs/vmm/layout.js';
import { BUFFERS, VirtioDriver } from '../vmm/virtio-driver.js';
import { ReceivingMachine, WritingMachine, channelPair, codecOf, ramHash, realClock } from './support.js';

const MIB = 2 ** 20;
const RAM_MIB = 32;
const UNLIMITED = { maxBandwidth: 0, downtimeLimitMs: 300 };

/** Gives up 256 pages from `address` on, as inflation does. */
function inflate(driver: VirtioDriver, address: number): void {
  for (let i = 0; i < 256; i++) driver.memory.write32(BUFFERS + i * 4, address / PAGE_SIZE + i);
  driver.add(0, [{ address: BUFFERS, size: 1024 }]);
  driver.notify(0);
}

/** Reports 2 MiB as free. */
function report(driver: VirtioDriver, address: number): void {
  driver.add(4, [{ address, size: 2 * MIB, writable: true }]);
  driver.notify(4);
}

test('memory that is given up during a migration is zero at the destination too', async () => {
  const from = new WritingMachine(RAM_MIB);
  const { giveBack } = await openHostMemory();
  const ports = { giveBack, changed: () => undefined, told: () => undefined };
  const balloon = new VirtioBalloon({ deflateOnOom: true, freePageReporting: true }, ports);
  const driver = new VirtioDriver(balloon, from.memory);
  driver.start((1n << 32n) | (1n << 5n));
  from.memory.fill(RAM_BASE + 2 * MIB, (RAM_MIB - 2) * MIB, 0xa5);
  const to = new ReceivingMachine(RAM_MIB);
  const [near, far] = channelPair();
  const source = new PrecopySource({
    ...{ migrationId: 'm', epoch: 2, machine: from, codec: codecOf(from.memory), clock: realClock },
    parameters: { maxBandwidth: 8 * MIB, downtimeLimitMs: 1 },
    connect: async () => near,
    onChange: () => undefined,
  });
  const destination = new IncomingMigration({
    ...{ machine: to, codec: codecOf(to.memory), clock: realClock, epoch: 1 },
    onChange: () => undefined,
  });
  const both = Promise.all([source.run(), destination.receive(far)]);
  await vi.waitFor(() => expect(to.memory.read8(RAM_BASE + 12 * MIB)).toBe(0xa5), { timeout: 90_000, interval: 5 });

  inflate(driver, RAM_BASE + 4 * MIB); // sent
  report(driver, RAM_BASE + 8 * MIB);
  inflate(driver, RAM_BASE + 28 * MIB); // still to be sent
  report(driver, RAM_BASE + 30 * MIB);
  expect(driver.errors).toEqual([]);
  expect(to.memory.read8(RAM_BASE + 4 * MIB)).toBe(0xa5);
  source.setParameters(UNLIMITED);
  const [figures] = await both;

  expect(figures.status).toBe('completed');
  for (const address of [4, 8, 28, 30]) expect(to.memory.read8(RAM_BASE + address * MIB)).toBe(0);
  expect(from.hashesAtStop).toEqual([ramHash(to.memory)]);
});
