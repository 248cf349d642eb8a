/** The board with its harts in threads of their own: held, saved, taken up elsewhere, and watched by the dirty log. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { bitmapWords, countDirtiedPages, layout, Machine, syncDirtyLog } from '#vmm';
import { assemble, i, jal, li, r, s } from './assembler.js';
import { alarmClock, counter, setMtime, supervisor, ticker } from './guests.js';
import { cpuModule } from './machine.js';

const HART_WORKER = join(import.meta.dirname, '../../dist/apps/vmm/hart-worker.js');
const MIB = 2 ** 20;
const PATIENCE = { timeout: 90_000, interval: 5 };

interface Options {
  harts?: number;
  ramMiB?: number;
  bios?: 'none' | 'sbi';
}

/** A stopped machine with running threads. */
function start(kernel: Uint8Array | undefined, { harts = 1, ramMiB = 16, bios = 'none' }: Options = {}) {
  if (!existsSync(HART_WORKER)) throw new Error('build first (node tools/build.mjs --skip-portal)');
  const seen = { printed: '', ended: undefined as number | undefined };
  const boot = kernel && (() => ({ kernel, bios, bootargs: '' }));
  const machine = new Machine(
    { ramBytes: ramMiB * MIB, harts, ...(boot && { boot }) },
    {
      hartModule: cpuModule(),
      hostNs: process.hrtime.bigint,
      consoleOutput: (bytes) => (seen.printed += new TextDecoder().decode(bytes)),
      guestShutdown: (status) => (seen.ended = status),
      guestReset: () => {},
      watchdogExpired: () => {},
      wallNs: () => BigInt(Date.now()) * 1_000_000n,
      callAfter: (ms, action) => {
        const timer = setTimeout(action, ms);
        return () => clearTimeout(timer);
      },
      deviceError: () => {},
      nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
    },
  );
  void machine.serveHarts();
  const workers = Array.from({ length: harts }, (_, hartId) => {
    const workerData = { memory: machine.memory.memory, hartModule: cpuModule(), hartId };
    return new Worker(HART_WORKER, { workerData, execArgv: [] }); // none of the test runner's: it is a built file
  });
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  return { machine, seen };
}

const ramOf = (machine: Machine) => machine.memory.bytes.subarray(layout.RAM);

/** What a migration does, in one step: a new machine with the RAM and the state of a stopped one. */
function moveAway(from: Machine, options: Options) {
  const to = start(undefined, options);
  ramOf(to.machine).set(ramOf(from));
  to.machine.restoreState(from.saveState());
  return to;
}

describe('stop and cont', () => {
  test('between them nothing changes', async () => {
    const { machine } = start(counter(), { harts: 2 });
    machine.cont();
    await vi.waitFor(() => expect(machine.memory.read64(0x80200000)).toBeGreaterThan(1000n), PATIENCE);
    await Promise.all([machine.stop(), machine.stop()]);
    const [ram, state] = [machine.memory.readBytes(layout.RAM_BASE, 16 * MIB), machine.saveState()];
    await sleep(100);
    expect(Buffer.compare(machine.memory.readBytes(layout.RAM_BASE, 16 * MIB), ram)).toBe(0);
    expect(machine.saveState()).toEqual(state);
  });

  test('a hundred times in a row leave a guest that works', async () => {
    const { machine, seen } = start(ticker());
    for (let round = 0; round < 100; round++) {
      machine.cont();
      if (round % 3 === 0) await sleep(1);
      await machine.stop();
      expect(machine.running).toBe(false);
    }
    const printed = seen.printed.length;
    machine.cont();
    await vi.waitFor(() => expect(seen.printed.length).toBeGreaterThan(printed + 3), PATIENCE);
    await machine.stop();
  });

  test('what needs a machine that stands still refuses one that runs', async () => {
    const { machine } = start(ticker());
    const state = machine.saveState();
    machine.cont();
    expect(() => machine.saveState()).toThrow(/must be stopped/);
    expect(() => machine.restoreState(state)).toThrow(/must be stopped/);
    expect(() => machine.reset()).toThrow(/must be stopped/);
    await machine.stop();
  });
});

test('a guest reads the date and is woken by its alarm, though it was moved meanwhile', async () => {
  const first = start(alarmClock());
  const beforeMs = Date.now();
  first.machine.cont();
  const readNs = () => first.machine.memory.read64(0x8010_0000);
  await vi.waitFor(() => expect(readNs()).toBeGreaterThan(0n), PATIENCE);
  await first.machine.stop();
  expect(Number(readNs() / 1_000_000n)).toBeGreaterThanOrEqual(beforeMs);
  expect(Number(readNs() / 1_000_000n)).toBeLessThanOrEqual(Date.now());
  const second = moveAway(first.machine, {});
  await sleep(30);
  second.machine.cont();
  await vi.waitFor(() => expect(first.seen.printed + second.seen.printed).toBe('A'), PATIENCE);
  await second.machine.stop();
});

describe('state', () => {
  test('a guest goes on elsewhere, with its time', async () => {
    const first = start(ticker());
    first.machine.cont();
    await vi.waitFor(() => expect(first.seen.printed.length).toBeGreaterThan(3), PATIENCE);
    await first.machine.stop();
    const second = moveAway(first.machine, {});
    expect(second.machine.guestNs).toBe(first.machine.guestNs);
    expect(second.machine.saveState()).toEqual(first.machine.saveState());
    await sleep(100);
    const beforeNs = process.hrtime.bigint();
    second.machine.cont();
    const sinceStop = second.machine.guestNs - first.machine.guestNs;
    expect(sinceStop).toBeLessThan(process.hrtime.bigint() - beforeNs); // the time between is not in it
    await vi.waitFor(() => expect(second.seen.printed.length).toBeGreaterThan(3), PATIENCE);
    await second.machine.stop();
  });

  test.each([2n ** 63n, 2n ** 64n - 1n])(
    'a guest that has set mtime to %s goes on elsewhere, and guest time knows nothing of it',
    async (ticks) => {
      const first = start(ticker(setMtime(ticks)));
      first.machine.cont();
      await vi.waitFor(() => expect(first.seen.printed.length).toBeGreaterThan(3), PATIENCE);
      await first.machine.stop();
      expect(first.machine.guestNs).toBeLessThan(60n * 60n * 1_000_000_000n);
      const second = moveAway(first.machine, {});
      const clocks = [first, second].map(({ machine }) => machine.clock.ticks());
      expect(clocks[1]).toBe(clocks[0]);
      expect(BigInt.asUintN(64, clocks[1]! - ticks)).toBeLessThan(2n ** 40n);
      second.machine.cont();
      await vi.waitFor(() => expect(second.seen.printed.length).toBeGreaterThan(3), PATIENCE);
      await second.machine.stop();
    },
  );

  test.each(['SBI', 'Sstc'] as const)(
    'moved again and again in the midst of starting harts, timers (%s) and IPIs, a guest ends as if it never was',
    async (timer) => {
      const options = { harts: 4, bios: 'sbi' } as const;
      let { machine, seen } = start(supervisor(4, timer), options);
      let printed = '';
      let ended: number | undefined;
      for (let moves = 0; ended === undefined && moves < 200; moves++) {
        machine.cont();
        await sleep(moves % 4);
        await machine.stop();
        printed += seen.printed;
        ended = seen.ended;
        if (ended === undefined && moves < 5) ({ machine, seen } = moveAway(machine, options));
        else seen.printed = '';
      }
      expect([printed, ended]).toEqual(['SE', 0]);
    },
  );

  test('a state that does not fit is refused and changes nothing', () => {
    const { machine } = start(ticker(), { harts: 2 });
    const state = machine.saveState();
    const edit = (change: (value: { plic: object; harts: [object, object] }) => void) => {
      const value = JSON.parse(new TextDecoder().decode(state)) as Parameters<typeof change>[0];
      change(value);
      return new TextEncoder().encode(JSON.stringify(value));
    };
    const wrong: [Uint8Array, RegExp][] = [
      [Uint8Array.of(1, 2, 3), /these bytes are not one/],
      [edit((value) => Object.assign(value, { version: 99 })), /version 99/],
      [edit((value) => Object.assign(value, { ramBytes: 5 })), /RAM of 5 bytes/],
      [edit((value) => Object.assign(value, { harts: [] })), /0 harts/],
      [edit((value) => Object.assign(value, { guestNs: 'soon' })), /guestNs/],
      [edit((value) => Object.assign(value, { guestNs: `${2n ** 63n}` })), /guestNs/],
      [edit((value) => Object.assign(value, { mtimeOffset: `${2n ** 64n}` })), /mtimeOffset/],
      [edit((value) => Object.assign(value, { mtimeOffset: -1 })), /mtimeOffset/],
      [edit((value) => Object.assign(value, { uart: {} })), /uart state/],
      [edit((value) => Object.assign(value.plic, { priority: [1] })), /plic state/],
      [edit((value) => Object.assign(value.harts[1], { privilege: 'H' })), /privilege H/],
    ];
    for (const [bytes, reason] of wrong) {
      expect(() => machine.restoreState(bytes)).toThrow(reason);
      expect(machine.saveState()).toEqual(state);
    }
  });
});

describe('dirty log', () => {
  const REGION_PAGES = 512;

  /** Each hart writes a growing number into each page of a region of its own, for ever. */
  const scribbler = () =>
    assemble([
      0xf1402573, // csrr a0, mhartid
      ...li(8, 0x80200000n),
      ...li(9, BigInt(REGION_PAGES * 4096)),
      r('mul', 10, 10, 9),
      r('add', 8, 8, 10), // s0: the region
      r('add', 9, 8, 9), // s1: its end
      ...li(12, 4096n),
      i('addi', 13, 13, 1), // again: the next number
      i('addi', 11, 8, 0),
      s('sd', 13, 11, 8), // page: write it
      r('add', 11, 11, 12),
      0xfe95ece3, // bltu a1, s1, page
      jal(0, -20),
    ]);

  test('a copy that follows it is equal to RAM once the machine has stopped', async () => {
    const { machine } = start(scribbler(), { harts: 2 });
    const { memory } = machine;
    const ram = ramOf(machine);
    const copy = new Uint8Array(ram.length);
    const pages = new Uint32Array(bitmapWords(memory)).fill(0xffffffff);
    const copyPages = () => {
      let copied = 0;
      for (let page = 0; page < memory.ramPages; page++) {
        if (!((pages[page >>> 5]! >>> (page & 31)) & 1)) continue;
        const at = page * layout.PAGE_SIZE;
        copy.set(ram.subarray(at, at + layout.PAGE_SIZE), at);
        copied++;
      }
      pages.fill(0);
      return copied;
    };

    machine.cont();
    const firsts = [0x80200008, 0x80200008 + REGION_PAGES * 4096]; // each hart begins when its thread does
    for (const at of firsts) await vi.waitFor(() => expect(memory.read64(at)).toBeGreaterThan(10n), PATIENCE);
    let copied = 0;
    for (let pass = 0; pass < 50; pass++) {
      syncDirtyLog(memory, pages);
      copied += copyPages();
      if (pass % 3 === 0) countDirtiedPages(memory); // takes nothing from the copy
      await sleep(1);
    }
    await machine.stop();
    syncDirtyLog(memory, pages);
    copied += copyPages();
    expect(Buffer.compare(copy, ram)).toBe(0);
    expect(copied).toBeGreaterThan(memory.ramPages + 2 * REGION_PAGES); // the guest did write meanwhile
    expect(memory.read64(0x80200008 + REGION_PAGES * 4096)).toBeGreaterThan(10n); // both harts did
    expect(syncDirtyLog(memory, pages)).toBe(0);
  });

  test('counts what others took out, and leaves what it counted', async () => {
    const { machine } = start(undefined);
    const { memory } = machine;
    const pages = new Uint32Array(bitmapWords(memory));
    const before = countDirtiedPages(memory);
    memory.writeBytes(layout.RAM_BASE + 4090, new Uint8Array(10));
    memory.write8(layout.RAM_BASE + 5 * 4096, 1);
    expect(countDirtiedPages(memory)).toBe(before + 3n);
    expect(countDirtiedPages(memory)).toBe(before + 3n);
    memory.write8(layout.RAM_BASE, 1);
    expect(syncDirtyLog(memory, pages)).toBe(3);
    expect(pages[0]).toBe(0b100011);
    expect(countDirtiedPages(memory)).toBe(before + 4n);
    expect(() => syncDirtyLog(memory, new Uint32Array(1))).toThrow(RangeError);
  });
});

describe('guest RAM', () => {
  test('is reached by guest-physical address, and nothing else is', () => {
    const { memory } = start(undefined, { ramMiB: 1 }).machine;
    memory.write32(0x80000ffe, 0x11223344);
    expect([memory.read8(0x80000ffe), memory.read16(0x80001000)]).toEqual([0x44, 0x1122]);
    memory.write64(0x800ffff8, 2n ** 64n - 2n);
    expect(memory.read64(0x800ffff8)).toBe(2n ** 64n - 2n);
    expect(() => memory.read8(0x7fffffff)).toThrow(/outside RAM, which is 0x80000000..0x80100000/);
    expect(() => memory.write16(0x800fffff, 1)).toThrow(RangeError);
    expect(() => memory.writeBytes(0x80100000, Uint8Array.of(1))).toThrow(RangeError);
  });
});
