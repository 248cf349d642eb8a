/** The block device on real files, driven as a guest drives it. */
import { readFileSync, statSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { GuestDisk, type OnDiskError } from '../../apps/vmm/devices/guest-disk.js';
import { loadLibc, systemError } from '../../apps/vmm/libc.js';
import { BlockHeld, type BlockBackend } from '../../libs/vmm/devices/virtio/block-backend.js';
import { DIRTY, PAGE_SIZE, RAM_BASE } from '../../libs/vmm/layout.js';
import { BlkDriver, DISCARD, FLUSH, GET_ID, IN, OUT, WRITE_ZEROES } from './blk-driver.js';
import { F_CONFIG_WCE, F_DISCARD, F_FLUSH, F_RO, VERSION_1 } from './blk-driver.js';
import { imageFile, IOERR, OK, openDisk, SECTOR, UNSUPP } from './blk-driver.js';
import { BUFFERS } from './virtio-driver.js';

const MIB = 2 ** 20;
const NEEDS_RESET = 64;
const CONFIG = 0x100;
const { ranges } = BlkDriver;

/** Every sector filled with its number. */
const numbered = (sectors: number) =>
  Uint8Array.from({ length: sectors * SECTOR }, (_, at) => Math.floor(at / SECTOR) & 0xff);
const filled = (size: number, byte: number) => new Uint8Array(size).fill(byte);

/** A backend whose requests end when the test says so. */
function heldBackend(sizeBytes = MIB) {
  const held: { views: readonly Uint8Array[]; end(): void }[] = [];
  const hold = (views: readonly Uint8Array[]) => new Promise<void>((end) => held.push({ views, end }));
  const now = () => Promise.resolve();
  const backend: BlockBackend = {
    ...{ sizeBytes, isReadOnly: false, canDiscard: true },
    ...{ read: hold, write: hold, flush: vi.fn<() => Promise<void>>(now), discard: now, writeZeroes: now },
  };
  return { backend, held };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test('sectors are read and written, and are in the file', async () => {
  const path = imageFile(numbered(64));
  const driver = new BlkDriver(await openDisk(path)).start();
  expect(await driver.request(IN, 3, 2 * SECTOR)).toEqual({
    status: OK,
    data: Uint8Array.of(...filled(SECTOR, 3), ...filled(SECTOR, 4)),
  });
  expect((await driver.request(OUT, 10, filled(3 * SECTOR, 0xaa))).status).toBe(OK);
  expect((await driver.request(FLUSH, 0)).status).toBe(OK);
  const expected = numbered(64);
  expected.fill(0xaa, 10 * SECTOR, 13 * SECTOR);
  expect(readFileSync(path).equals(expected)).toBe(true);
});

test('data may lie in many buffers, of any size', async () => {
  const driver = new BlkDriver(await openDisk(imageFile(numbered(16)))).start();
  const { memory } = driver.virtio;
  memory.write64(BUFFERS + 8, 1n);
  const sizes = [1, 511, 100, 300, 112, 512];
  const spread = sizes.map((size, index) => ({ address: BUFFERS + 0x1000 * (index + 1), size, writable: true }));
  const header = [
    { address: BUFFERS, size: 7 },
    { address: BUFFERS + 7, size: 9 },
  ];
  driver.virtio.add(0, [...header, ...spread, { address: BUFFERS + 0x100, size: 1, writable: true }]);
  driver.virtio.notify(0);
  await vi.waitFor(() => expect(driver.virtio.used(0)).toEqual([{ head: 0, written: 3 * SECTOR + 1 }]), 90_000);
  expect(spread.map(({ address, size }) => memory.readBytes(address, size))).toEqual(
    [1, 1, 2, 2, 2, 3].map((byte, index) => filled(sizes[index]!, byte)),
  );
});

test('what is read into RAM is in the dirty log', async () => {
  const driver = new BlkDriver(await openDisk(imageFile(numbered(16)))).start();
  const page = (BUFFERS + 0x1000 - RAM_BASE) / PAGE_SIZE;
  const { words } = driver.virtio.memory;
  words.fill(0, DIRTY / 4, DIRTY / 4 + 1024);
  await driver.request(IN, 0, SECTOR);
  expect((words[DIRTY / 4 + (page >>> 5)]! >>> (page & 31)) & 1).toBe(1);
});

test('requests are under way together and end in any order', async () => {
  const { backend, held } = heldBackend();
  const driver = new BlkDriver(backend, { queues: 2 }).start();
  const first = driver.send(IN, 0, SECTOR, 0);
  const second = driver.send(IN, 1, SECTOR, 1);
  await soon();
  expect(held).toHaveLength(2);
  held[1]!.views[0]!.fill(2);
  held[1]!.end();
  await soon();
  expect([driver.status(first), driver.status(second)]).toEqual([0xee, OK]);
  expect(driver.data(second, 1)).toEqual(Uint8Array.of(2));
  held[0]!.end();
  await driver.settle();
  expect(driver.status(first)).toBe(OK);
});

test('a driver learns size, blocks, limits and serial number', async () => {
  const disk = await openDisk(imageFile(numbered(64)));
  const options = { serial: 'a-serial-number-of-20', queues: 4, physicalBlockSize: 4096 };
  const driver = new BlkDriver(disk, options).start();
  const config = (offset: number, size = 4) => driver.virtio.transport.read(CONFIG + offset, size);
  expect(config(0)).toBe(64);
  expect(config(12)).toBe(254); // data segments of a request
  expect(config(20)).toBe(512);
  expect(config(24, 1)).toBe(3); // 8 logical blocks are a physical one
  expect(config(34, 2)).toBe(4);
  expect(config(40)).toBe(16);
  expect(config(56, 1)).toBe(1);
  expect(new TextDecoder().decode((await driver.request(GET_ID, 0, 20)).data)).toBe('a-serial-number-of-2');
});

describe('what cannot be done is an I/O error, and the device goes on', () => {
  test.each([
    ['a sector behind the end', IN, 64, SECTOR],
    ['a range over the end', IN, 63, 2 * SECTOR],
    ['a sector beyond all numbers', IN, Number.MAX_SAFE_INTEGER, SECTOR],
    ['a part of a sector', IN, 0, 100],
    ['writing behind the end', OUT, 64, filled(SECTOR, 1)],
    ['no range', WRITE_ZEROES, 0, 0],
    ['half a range', WRITE_ZEROES, 0, filled(24, 0)],
    ['a range behind the end', WRITE_ZEROES, 0, ranges({ sector: 60, sectors: 5 })],
    ['a range beyond the limit', DISCARD, 0, ranges({ sector: 0, sectors: 2 ** 30 })],
  ])('%s', async (_, type, sector, data) => {
    const path = imageFile(numbered(64));
    const driver = new BlkDriver(await openDisk(path)).start();
    expect((await driver.request(type, sector, data)).status).toBe(IOERR);
    expect((await driver.request(IN, 63, SECTOR)).data).toEqual(filled(SECTOR, 63));
    expect(readFileSync(path).equals(numbered(64))).toBe(true);
  });

  test('a file that has become shorter', async () => {
    const path = imageFile(numbered(64));
    const onError = vi.fn<OnDiskError>();
    const driver = new BlkDriver(await openDisk(path, {}, onError)).start();
    truncateSync(path, 10 * SECTOR);
    expect((await driver.request(IN, 9, 2 * SECTOR)).status).toBe(IOERR);
    expect(onError).toHaveBeenCalledWith('read', expect.objectContaining({ code: 'EIO' }), 'report');
    expect((await driver.request(IN, 9, SECTOR)).status).toBe(OK);
  });

  test('a host without space', async () => {
    const onError = vi.fn<OnDiskError>();
    const full = { ...(await loadLibc())!, fallocate: () => Promise.reject(systemError('ENOSPC', 'fallocate')) };
    const driver = new BlkDriver(await openDisk(imageFile(numbered(8)), { libc: full }, onError)).start();
    expect((await driver.request(WRITE_ZEROES, 0, ranges({ sector: 0, sectors: 1 }))).status).toBe(IOERR);
    expect(onError).toHaveBeenCalledWith('write', expect.objectContaining({ code: 'ENOSPC' }), 'report');
    expect((await driver.request(OUT, 0, filled(SECTOR, 1))).status).toBe(OK);
  });

  test('a request of no known type', async () => {
    const driver = new BlkDriver(await openDisk(imageFile(numbered(8)))).start();
    expect((await driver.request(99, 0)).status).toBe(UNSUPP);
    const flagged = ranges({ sector: 0, sectors: 1, flags: 2 });
    expect((await driver.request(WRITE_ZEROES, 0, flagged)).status).toBe(UNSUPP);
    expect((await driver.request(DISCARD, 0, ranges({ sector: 0, sectors: 1, flags: 1 }))).status).toBe(UNSUPP);
  });
});

test.each([
  [
    'no header',
    [
      { address: BUFFERS, size: 15 },
      { address: BUFFERS, size: 1, writable: true },
    ],
  ],
  ['no room for the status', [{ address: BUFFERS, size: 16 }]],
])('a request with %s stops the device', async (_, buffers) => {
  const driver = new BlkDriver(await openDisk(imageFile(numbered(8)))).start();
  driver.virtio.add(0, buffers);
  driver.virtio.notify(0);
  expect(driver.virtio.status & NEEDS_RESET).toBe(NEEDS_RESET);
  driver.start();
  expect((await driver.request(IN, 0, SECTOR)).status).toBe(OK);
});

describe('space', () => {
  const allocated = (path: string) => statSync(path).blocks * 512;

  test('is given back by DISCARD, and by WRITE_ZEROES where the driver allows it', async () => {
    const path = imageFile(filled(2 * MIB, 5));
    const driver = new BlkDriver(await openDisk(path)).start();
    const before = allocated(path);
    const mebibyte = MIB / SECTOR;
    expect((await driver.request(DISCARD, 0, ranges({ sector: 0, sectors: mebibyte }))).status).toBe(OK);
    expect(allocated(path)).toBe(before - MIB);
    const zeroed = ranges({ sector: mebibyte, sectors: mebibyte, flags: 1 });
    expect((await driver.request(WRITE_ZEROES, 0, zeroed)).status).toBe(OK);
    expect(allocated(path)).toBe(before - 2 * MIB);
    expect(readFileSync(path).equals(filled(2 * MIB, 0))).toBe(true);
  });

  test('is kept by WRITE_ZEROES where it does not', async () => {
    const path = imageFile(filled(2 * MIB, 5));
    const driver = new BlkDriver(await openDisk(path)).start();
    const before = allocated(path);
    const parts = ranges({ sector: 1, sectors: 1000 }, { sector: 2000, sectors: 8 });
    expect((await driver.request(WRITE_ZEROES, 0, parts)).status).toBe(OK);
    expect(allocated(path)).toBe(before);
    const expected = filled(2 * MIB, 5)
      .fill(0, SECTOR, 1001 * SECTOR)
      .fill(0, 2000 * SECTOR, 2008 * SECTOR);
    expect(readFileSync(path).equals(expected)).toBe(true);
  });

  test('zeroes are written where the host has no fallocate; DISCARD is not offered then', async () => {
    const path = imageFile(filled(3 * MIB, 5));
    const driver = new BlkDriver(await openDisk(path, { libc: undefined, canDiscard: false })).start();
    const zeroed = ranges({ sector: 3, sectors: 5000, flags: 1 });
    expect((await driver.request(WRITE_ZEROES, 0, zeroed)).status).toBe(OK);
    expect(readFileSync(path).equals(filled(3 * MIB, 5).fill(0, 3 * SECTOR, 5003 * SECTOR))).toBe(true);
    expect(driver.device.features & F_DISCARD).toBe(0n);
    expect((await driver.request(DISCARD, 0, ranges({ sector: 0, sectors: 1 }))).status).toBe(UNSUPP);
  });
});

test('a read-only disk says so and refuses to be changed', async () => {
  const path = imageFile(numbered(64));
  const driver = new BlkDriver(await openDisk(path, { isReadOnly: true })).start();
  expect(driver.device.features & F_RO).toBe(F_RO);
  expect((await driver.request(OUT, 0, filled(SECTOR, 1))).status).toBe(IOERR);
  expect((await driver.request(WRITE_ZEROES, 0, ranges({ sector: 0, sectors: 1 }))).status).toBe(IOERR);
  expect((await driver.request(FLUSH, 0)).status).toBe(OK);
  expect((await driver.request(IN, 5, SECTOR)).data).toEqual(filled(SECTOR, 5));
  expect(readFileSync(path).equals(numbered(64))).toBe(true);
});

describe('a write is stored before it ends', () => {
  const flushesOfAWrite = async (features: bigint, writeCache: boolean, wanted?: number) => {
    const { backend, held } = heldBackend();
    const driver = new BlkDriver(backend, { writeCache }).start(VERSION_1 | features);
    if (wanted !== undefined) driver.virtio.transport.write(CONFIG + 32, 1, wanted);
    driver.send(OUT, 0, filled(SECTOR, 1));
    held[0]!.end();
    await driver.settle();
    return vi.mocked(backend.flush).mock.calls.length;
  };

  test.each([
    ['if the driver cannot flush', 0n, true, undefined, 1],
    ['not if it can', F_FLUSH, true, undefined, 0],
    ['with cache=writethrough', F_FLUSH | F_CONFIG_WCE, false, undefined, 1],
    ['not if the driver switches the cache on', F_FLUSH | F_CONFIG_WCE, false, 1, 0],
    ['if the driver switches the cache off', F_FLUSH | F_CONFIG_WCE, true, 0, 1],
    ['whatever it writes there, if it may not', F_FLUSH, false, 1, 1],
  ])('%s', async (_, features, writeCache, wanted, flushes) => {
    expect(await flushesOfAWrite(features, writeCache, wanted)).toBe(flushes);
  });
});

test('held still, it ends what is under way and begins nothing; what waits is done when it goes on, also elsewhere', async () => {
  const { backend, held } = heldBackend();
  const driver = new BlkDriver(backend).start();
  driver.virtio.transport.write(CONFIG + 32, 1, 0);
  const begun = driver.send(IN, 0, SECTOR);
  let isQuiet = false;
  const quiet = driver.virtio.transport.quiesce().then(() => (isQuiet = true));
  await soon();
  expect(isQuiet).toBe(false);
  const waiting = driver.send(IN, 1, SECTOR);
  held[0]!.end();
  await quiet;
  expect([driver.status(begun), driver.status(waiting)]).toEqual([OK, 0xee]);
  const state = JSON.parse(JSON.stringify(driver.virtio.transport.save())) as ReturnType<
    typeof driver.virtio.transport.save
  >;

  const there = heldBackend();
  const elsewhere = new BlkDriver(there.backend, {}, driver.virtio.memory);
  elsewhere.virtio.transport.restore(state);
  expect(elsewhere.virtio.transport.save()).toEqual(state);
  expect(elsewhere.virtio.transport.read(CONFIG + 32, 1)).toBe(0);
  elsewhere.virtio.transport.resume();
  there.held[0]!.end();
  await driver.settle();
  expect(driver.status(waiting)).toBe(OK);
});

describe('a request that the host holds', () => {
  /** Holds all requests until `isFree`. */
  function fullBackend() {
    const state = { isFree: false, asked: 0 };
    const attempt = async () => {
      state.asked++;
      if (!state.isFree) throw new BlockHeld('no space');
    };
    const { backend } = heldBackend();
    return { state, backend: { ...backend, write: attempt, writeZeroes: attempt } };
  }
  const writes = (driver: BlkDriver) => [1, 2, 3].map((sector) => driver.send(OUT, sector, filled(SECTOR, sector)));
  const statuses = (driver: BlkDriver, slots: number[]) => slots.map((slot) => driver.status(slot));

  test('keeps nobody from stopping the guest, and is done when it goes on', async () => {
    const { state, backend } = fullBackend();
    const driver = new BlkDriver(backend).start();
    const slots = writes(driver);
    for (const asked of [3, 6]) {
      await driver.virtio.transport.quiesce();
      expect([state.asked, ...statuses(driver, slots)]).toEqual([asked, 0xee, 0xee, 0xee]);
      if (asked === 6) state.isFree = true;
      driver.virtio.transport.resume();
    }
    await driver.settle();
    expect(statuses(driver, slots)).toEqual([OK, OK, OK]);
  });

  test('moves with the guest', async () => {
    const { backend } = fullBackend();
    const driver = new BlkDriver(backend).start();
    const slots = writes(driver);
    await driver.virtio.transport.quiesce();
    const saved = JSON.stringify(driver.virtio.transport.save());
    const there = fullBackend();
    there.state.isFree = true;
    const elsewhere = new BlkDriver(there.backend, {}, driver.virtio.memory);
    elsewhere.virtio.transport.restore(JSON.parse(saved) as ReturnType<typeof driver.virtio.transport.save>);
    expect(JSON.stringify(elsewhere.virtio.transport.save())).toBe(saved);
    elsewhere.virtio.transport.resume();
    await driver.settle();
    expect([there.state.asked, ...statuses(driver, slots)]).toEqual([3, OK, OK, OK]);
  });

  test('is forgotten by a reset', async () => {
    const { state, backend } = fullBackend();
    const driver = new BlkDriver(backend).start();
    writes(driver);
    await soon();
    await driver.virtio.transport.write(0x70, 4, 0);
    driver.virtio.transport.resume();
    await soon();
    expect(state.asked).toBe(3);
  });
});

test.each([
  ['report', 'EIO', 'report', IOERR],
  ['ignore', 'EIO', 'ignore', OK],
  ['enospc', 'EIO', 'report', IOERR],
  ['enospc', 'ENOSPC', 'stop', 0xee],
  ['enospc', 'EDQUOT', 'stop', 0xee],
  ['stop', 'EIO', 'stop', 0xee],
] as const)('werror=%s: %s leads to %s', async (write, code, action, status) => {
  const disk = await openDisk(imageFile(numbered(8)));
  vi.spyOn(disk.file, 'write').mockRejectedValue(systemError(code, 'it is so'));
  const told = vi.fn<OnDiskError>();
  const driver = new BlkDriver(new GuestDisk(disk.file, told, { write, read: 'report' })).start();
  const slot = driver.send(OUT, 0, filled(SECTOR, 1));
  await driver.virtio.transport.quiesce();
  expect(driver.status(slot)).toBe(status);
  expect(told).toHaveBeenCalledWith('write', expect.objectContaining({ code }), action);
});

test.each([
  ['size', { sizeBytes: 512 }, /sizeBytes is 512, but 1048576 of the disk here/],
  ['block size', { logicalBlockSize: 4096 }, /logicalBlockSize is 4096/],
  ['writability', { isReadOnly: 1 }, /isReadOnly is 1/],
  ['cache', { writeCache: 2 }, /writeCache is 2/],
  ['held request', { held: [{ queue: 1, head: 0 }] }, /queue is 1/],
])('state of a disk with another %s is refused', (_, change, reason) => {
  const { device } = new BlkDriver(heldBackend().backend);
  expect(() => device.restore({ ...device.save(), ...change })).toThrow(reason);
});

test('a reset waits for what is under way; until then nothing else is heard', async () => {
  const { backend, held } = heldBackend();
  const driver = new BlkDriver(backend).start();
  driver.send(IN, 0, SECTOR);
  const reset = driver.virtio.transport.write(0x70, 4, 0);
  driver.virtio.write(0x70, 15);
  driver.send(IN, 1, SECTOR);
  await soon();
  expect(held).toHaveLength(1);
  expect(driver.virtio.status).toBe(15);
  held[0]!.end();
  await reset;
  expect(driver.virtio.status).toBe(0);
  driver.start();
  expect(driver.virtio.used(0)).toEqual([]);
});

test('any mix of requests leaves the disk as one after the other would', async () => {
  const SECTORS = 96;
  const LENGTH = 6; // every operation of a batch has a part of the disk of its own
  const operation = fc.record({
    type: fc.constantFrom(IN, OUT, WRITE_ZEROES, FLUSH),
    from: fc.nat(LENGTH - 1),
    sectors: fc.integer({ min: 1, max: LENGTH }),
    byte: fc.nat(255),
    flags: fc.nat(1),
    queue: fc.nat(2),
  });
  const batch = fc.array(operation, { minLength: 1, maxLength: SECTORS / LENGTH });
  const path = imageFile(numbered(SECTORS));
  const disk = await openDisk(path);
  const model = numbered(SECTORS);
  const driver = new BlkDriver(disk, { queues: 3 }).start();
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 4 }), async (batches) => {
      for (const operations of batches) {
        const reads: (() => void)[] = [];
        const slots = operations.map(({ type, from, sectors, byte, flags, queue }, index) => {
          const sector = index * LENGTH + from;
          const count = Math.min(sectors, LENGTH - from);
          const bytes = [sector * SECTOR, (sector + count) * SECTOR] as const;
          const data = { [IN]: count * SECTOR, [OUT]: filled(count * SECTOR, byte) } as Record<
            number,
            number | Uint8Array
          >;
          data[WRITE_ZEROES] = ranges({ sector, sectors: count, flags });
          const slot = driver.send(type, sector, data[type] ?? 0, queue);
          if (type === IN) {
            const expected = model.slice(...bytes);
            reads.push(() => expect(driver.data(slot, count * SECTOR)).toEqual(expected));
          }
          if (type === OUT) model.fill(byte, ...bytes);
          if (type === WRITE_ZEROES) model.fill(0, ...bytes);
          return slot;
        });
        await driver.settle();
        expect(slots.map((slot) => driver.status(slot))).toEqual(slots.map(() => OK));
        for (const check of reads) check();
        for (const slot of slots) driver.free(slot);
      }
      expect(readFileSync(path).equals(model)).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test('garbage in requests never reaches beyond RAM and disk, and never throws', async () => {
  const disk = await openDisk(imageFile(numbered(64)));
  const word = fc.oneof(fc.nat(15), fc.nat(0xffff_ffff));
  const buffer = fc.record({
    address: fc.oneof(
      fc.nat(0x2000).map((at) => BUFFERS + at),
      fc.nat(2 ** 31),
    ),
    size: fc.oneof(fc.nat(64), fc.constantFrom(512, 4096), fc.nat(0xffff_ffff)),
    writable: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(word, { minLength: 16, maxLength: 16 }),
      fc.array(buffer, { minLength: 1, maxLength: 5 }),
      async (words, buffers) => {
        const driver = new BlkDriver(disk).start();
        words.forEach((value, index) => driver.virtio.memory.write32(BUFFERS + index * 4, value));
        driver.virtio.add(0, buffers);
        driver.virtio.add(0, [{ address: BUFFERS, size: 16 }, ...buffers.filter(({ writable }) => writable)]);
        driver.virtio.notify(0);
        await driver.virtio.transport.quiesce();
        expect(driver.virtio.errors.length).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 200 },
  );
});
