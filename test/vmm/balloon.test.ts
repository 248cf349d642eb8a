/** The balloon, driven as a guest drives it, on real memory of this process. */
import { beforeAll, expect, test } from 'vitest';
import { openHostMemory, type HostMemory } from '../../apps/vmm/host-memory.js';
import { VirtioBalloon, type BalloonPorts } from '../../libs/vmm/devices/virtio/balloon.js';
import { DIRTY, PAGE_SIZE, RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

const MIB = 2 ** 20;
const [INFLATE, DEFLATE, STATS] = [0, 1, 2];
const [CONFIG_TARGET, CONFIG_ACTUAL, CONFIG_POISON] = [0x100, 0x104, 0x10c];
const VERSION_1 = 1n << 32n;
const F_STATS_VQ = 1n << 1n;
const F_PAGE_POISON = 1n << 4n;
const F_PAGE_REPORTING = 1n << 5n;
const ALL = VERSION_1 | F_STATS_VQ | F_PAGE_POISON | F_PAGE_REPORTING;
const NEEDS_RESET = 64;
/** Pages that tests give up lie here, behind rings and buffers. */
const FIRST_PAGE = RAM_BASE + 2 * MIB;

let host: HostMemory;
beforeAll(async () => void (host = await openHostMemory()));

function started({ ramMiB = 4, features = ALL, giveBack = host.giveBack } = {}) {
  const changes: number[] = [];
  const told: object[] = [];
  const ports: BalloonPorts = {
    giveBack,
    changed: (bytes) => changes.push(bytes / MIB),
    told: (stats) => told.push(stats),
  };
  const device = new VirtioBalloon({ deflateOnOom: true, freePageReporting: true }, ports);
  const driver = new VirtioDriver(device, GuestMemory.create(ramMiB * MIB, 1));
  expect(driver.start(features)).toBe(15);
  return { device, driver, memory: driver.memory, changes, told };
}

/** Sends the numbers of these pages through one of the queues, as many requests as it takes. */
function send(driver: VirtioDriver, queue: number, addresses: readonly number[]): void {
  for (let from = 0; from < addresses.length; from += 256) {
    const part = addresses.slice(from, from + 256);
    part.forEach((address, index) => driver.memory.write32(BUFFERS + index * 4, address / PAGE_SIZE));
    const head = driver.add(queue, [{ address: BUFFERS, size: part.length * 4 }]);
    driver.notify(queue);
    expect(driver.used(queue)).toEqual([{ head, written: 0 }]);
  }
}

const pagesFrom = (address: number, count: number) =>
  Array.from({ length: count }, (_, index) => address + index * PAGE_SIZE);

const isZero = (memory: GuestMemory, address: number, size = PAGE_SIZE) =>
  memory.view8(address, size).every((byte) => byte === 0);

function takeDirty(memory: GuestMemory, address: number): boolean {
  const page = (address - RAM_BASE) / PAGE_SIZE;
  const word = DIRTY / 4 + (page >>> 5);
  const was = (memory.words[word]! >>> (page & 31)) & 1;
  memory.words[word]! &= ~(1 << (page & 31));
  return was === 1;
}

test('this host takes memory back', () => {
  expect(host.refusal).toBeUndefined();
});

test('pages that are given up leave the process, read as zero, and count as written', () => {
  const { driver, memory } = started({ ramMiB: 256 });
  const pages = pagesFrom(FIRST_PAGE, (200 * MIB) / PAGE_SIZE);
  memory.fill(FIRST_PAGE, 200 * MIB, 0xa5);
  for (const page of [pages[0]!, pages.at(-1)!]) takeDirty(memory, page);
  const before = process.memoryUsage.rss();
  send(driver, INFLATE, pages);
  expect(before - process.memoryUsage.rss()).toBeGreaterThan(150 * MIB);
  expect(pages.every((page) => memory.read32(page) === 0)).toBe(true);
  expect([takeDirty(memory, pages[0]!), takeDirty(memory, pages.at(-1)!)]).toEqual([true, true]);

  send(driver, DEFLATE, pages.slice(0, 3));
  memory.fill(FIRST_PAGE, PAGE_SIZE, 7);
  expect(memory.read8(FIRST_PAGE)).toBe(7);
  expect(driver.errors).toEqual([]);
});

test('pages come in any order, and neighbours stay', () => {
  const { driver, memory, device } = started();
  memory.fill(FIRST_PAGE, 8 * PAGE_SIZE, 1);
  const [first, second, third, , fifth] = pagesFrom(FIRST_PAGE, 8);
  send(driver, INFLATE, [fifth!, second!, third!, second!]);
  expect(pagesFrom(FIRST_PAGE, 8).map((page) => isZero(memory, page))).toEqual(
    [false, true, true, false, true, false, false, false], // prettier-ignore
  );
  expect(memory.read8(first!)).toBe(1);
  expect(device.givenBackBytes).toBe(3 * PAGE_SIZE);
});

test('where the host takes nothing back the pages stay as they are', () => {
  const { driver, memory, device } = started({ giveBack: () => false });
  memory.fill(FIRST_PAGE, PAGE_SIZE, 1);
  takeDirty(memory, FIRST_PAGE);
  send(driver, INFLATE, [FIRST_PAGE]);
  expect(memory.read8(FIRST_PAGE)).toBe(1);
  expect(takeDirty(memory, FIRST_PAGE)).toBe(false);
  expect(device.givenBackBytes).toBe(0);
});

test('the host asks for a size, and hears of what the guest has', () => {
  const { driver, device, changes } = started({ ramMiB: 16 });
  const ask = (bytes: number) => {
    driver.write(0x64, 3);
    device.setTarget(bytes);
    expect(driver.read(0x60)).toBe(2); // the configuration has changed
    return driver.read(CONFIG_TARGET);
  };
  expect([ask(12 * MIB), ask(1), ask(16 * MIB), ask(1e12)]).toEqual([1024, 4095, 0, 0]);
  expect(device.actualBytes).toBe(16 * MIB);
  driver.write(CONFIG_ACTUAL, 512);
  driver.write(CONFIG_ACTUAL, 512);
  expect(device.actualBytes).toBe(14 * MIB);
  driver.write(CONFIG_TARGET, 7); // read-only
  expect(driver.read(CONFIG_TARGET)).toBe(0);
  driver.write(CONFIG_ACTUAL, 0xffff_ffff); // a lie
  expect(device.actualBytes).toBe(0);
  driver.write(0x70, 0); // a reset
  expect(changes).toEqual([14, 0, 16]);
});

test.each([3, 4])('free pages that are reported in queue %d go back, whole pages of them', (queue) => {
  const { driver, memory } = started();
  memory.fill(FIRST_PAGE, 8 * PAGE_SIZE, 1);
  driver.add(queue, [
    { address: FIRST_PAGE + 5, size: 2 * PAGE_SIZE, writable: true },
    { address: FIRST_PAGE + 4 * PAGE_SIZE, size: 3 * PAGE_SIZE, writable: true },
    { address: FIRST_PAGE + 7 * PAGE_SIZE, size: 100, writable: true },
  ]);
  driver.notify(queue);
  expect(driver.used(queue)).toHaveLength(1);
  const zero = pagesFrom(FIRST_PAGE, 8).map((page) => isZero(memory, page));
  expect(zero).toEqual([false, true, false, false, true, true, true, false]);
});

test('reported pages that the guest fills with a value of its own keep it', () => {
  const { driver, memory } = started();
  driver.write(CONFIG_POISON, 0xaaaa_aaaa);
  memory.fill(FIRST_PAGE, PAGE_SIZE, 0xaa);
  driver.add(4, [{ address: FIRST_PAGE, size: PAGE_SIZE, writable: true }]);
  driver.notify(4);
  expect(driver.used(4)).toHaveLength(1);
  expect(memory.read32(FIRST_PAGE)).toBe(0xaaaa_aaaa);
});

function tell(driver: VirtioDriver, stats: readonly (readonly [number, bigint])[]): number {
  stats.forEach(([tag, value], index) => {
    driver.memory.write16(BUFFERS + index * 10, tag);
    driver.memory.write64(BUFFERS + index * 10 + 2, value);
  });
  const head = driver.add(STATS, [{ address: BUFFERS, size: stats.length * 10 }]);
  driver.notify(STATS);
  return head;
}

test('statistics are told at the start and whenever they are asked for', () => {
  const { driver, device, told } = started();
  device.requestStats(); // nobody waits yet
  const first = tell(driver, [
    [4, 5_000_000n],
    [5, 2n ** 32n],
    [99, 1n],
  ]);
  expect(told).toEqual([{ 'stat-free-memory': 5_000_000, 'stat-total-memory': 2 ** 32 }]);
  expect(driver.used(STATS)).toEqual([]);
  device.requestStats();
  device.requestStats();
  expect(driver.used(STATS)).toEqual([{ head: first, written: 0 }]);
  tell(driver, [[0, 1n]]);
  expect(told).toHaveLength(2);
});

test('who waits to be asked for statistics still waits after a migration', async () => {
  const { driver, device } = started();
  device.setTarget(3 * MIB);
  driver.write(CONFIG_ACTUAL, 256);
  const head = tell(driver, [[0, 1n]]);
  await driver.transport.quiesce();
  device.requestStats(); // held still
  const state = JSON.parse(JSON.stringify(driver.transport.save())) as ReturnType<typeof driver.transport.save>;

  const there = started();
  there.memory.writeBytes(RAM_BASE, driver.memory.readBytes(RAM_BASE, 4 * MIB));
  there.driver.transport.restore(state);
  expect(there.driver.transport.save()).toEqual(state);
  there.device.requestStats();
  expect(there.driver.used(STATS)).toEqual([]);
  there.driver.transport.resume();
  there.device.requestStats();
  expect(there.driver.used(STATS)).toEqual([{ head, written: 0 }]);
  expect(there.device.actualBytes).toBe(3 * MIB);
  expect(there.driver.read(CONFIG_TARGET)).toBe(256);
});

test.each([
  ['actualPages', { actualPages: -1 }],
  ['statsHead', { statsHead: 65_536 }],
])('state with an impossible %s is refused', (field, change) => {
  const { device } = started();
  expect(() => device.restore({ ...device.save(), ...change })).toThrow(new RegExp(`balloon state: ${field}`));
});

test.each([
  ['a page that is not RAM', (d: VirtioDriver) => d.memory.write32(BUFFERS, 0x1000_0000 / PAGE_SIZE), 4],
  ['more page numbers than any driver sends', () => undefined, 65_540],
])('%s stops the device', (_, prepare, size) => {
  const { driver } = started();
  prepare(driver);
  driver.add(INFLATE, [{ address: BUFFERS, size }]);
  driver.notify(INFLATE);
  expect(driver.status & NEEDS_RESET).toBe(NEEDS_RESET);
  expect(driver.errors).toHaveLength(1);
});
