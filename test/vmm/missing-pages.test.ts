/** Pages that have not arrived: harts give up the instruction that needs one, devices wait for all that they will touch. */
import fc from 'fast-check';
import { describe, expect, it, test, vi } from 'vitest';
import { VirtioRng } from '../../libs/vmm/devices/virtio/rng.js';
import { H_MISSING, MISSING, PAGE_SIZE, RAM, RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { dropPages, missLatencies, noteArrival, noteAsked, pagesArrived } from '../../libs/vmm/missing-pages.js';
import { clear32, hartBlock, load32, store32 } from '../../libs/vmm/shared.js';
import { amo, b, cbo, i, jal, li, r, s } from './assembler.js';
import { program } from './guests.js';
import { FINISHER, TestMachine } from './machine.js';
import { A, D, DATA, LEAVES, LOAD, MIDDLE, R, ROOT, STORE, V, W, faultOf, translating } from './paging.js';
import { BUFFERS, VirtioDriver } from './virtio-driver.js';

/** Takes pages of a machine away, leaves garbage in their place, and brings them back one by one. */
class Absence {
  private readonly content = new Map<number, Uint8Array>();

  constructor(private readonly memory: GuestMemory) {}

  take(...addresses: readonly number[]): void {
    const bitmap = new Uint32Array(Math.ceil(this.memory.ramPages / 32));
    for (const address of addresses) {
      const page = Math.floor((address - RAM_BASE) / PAGE_SIZE);
      const at = RAM + page * PAGE_SIZE;
      this.content.set(page, this.memory.bytes.slice(at, at + PAGE_SIZE));
      this.memory.bytes.fill(0xa5, at, at + PAGE_SIZE);
      bitmap[page >>> 5]! |= 1 << (page & 31);
    }
    dropPages(this.memory, bitmap);
  }

  bring(page: number): void {
    const content = this.content.get(page);
    if (!content) throw new Error(`page ${page} is not missing`);
    this.content.delete(page);
    this.memory.bytes.set(content, RAM + page * PAGE_SIZE);
    clear32(this.memory, MISSING + (page >>> 5) * 4, 1 << (page & 31));
    pagesArrived(this.memory, 1);
  }

  bringAll(): void {
    for (const page of this.content.keys()) this.bring(page);
  }
}

const pageOf = (address: number) => Math.floor((address - RAM_BASE) / PAGE_SIZE);

/** Runs so many instructions, bringing each page that is asked for; returns which those were. */
function runBringing(machine: TestMachine, memory: GuestMemory, absence: Absence, instructions: number): number[] {
  const asked: number[] = [];
  const end = machine.hart.instret + BigInt(instructions);
  while (machine.hart.instret < end) {
    if (machine.hart.run(Number(end - machine.hart.instret)) !== 'page') continue;
    const page = load32(memory, hartBlock(0) + H_MISSING) - 1;
    asked.push(page);
    absence.bring(page);
    store32(memory, hartBlock(0) + H_MISSING, 0);
  }
  return asked;
}

describe('a hart', () => {
  const X5 = BigInt(DATA);
  const cases = [
    { name: 'load', instruction: i('ld', 6, 5, 8), needs: [DATA] },
    { name: 'store', instruction: s('sd', 7, 5, 8), needs: [DATA] },
    { name: 'load across pages', instruction: i('ld', 6, 5, -4), needs: [DATA - 4, DATA] },
    { name: 'store across pages', instruction: s('sd', 7, 5, -4), needs: [DATA - 4, DATA] },
    { name: 'amoadd', instruction: amo('amoadd', 'd', 6, 5, 7), needs: [DATA] },
    { name: 'lr', instruction: amo('lr', 'd', 6, 5, 0), needs: [DATA] },
    { name: 'cbo.zero', instruction: cbo('cbo.zero', 5), needs: [DATA] },
  ];

  it.each(cases)('gives up a $name that needs a missing page, and executes it when that is there', (each) => {
    const { instruction, needs } = each;
    const machine = new TestMachine();
    const memory = new GuestMemory(machine.memory);
    machine.write64(DATA + 8, 42n);
    machine.write64(DATA - 8, 43n);
    machine.write64(DATA, 44n);
    machine.hart.setX(5, X5);
    machine.hart.setX(7, 7n);
    const absence = new Absence(memory);
    const reference = new TestMachine();
    for (const address of [DATA - 8, DATA, DATA + 8]) reference.write64(address, machine.read64(address));
    reference.hart.setX(5, X5);
    reference.hart.setX(7, 7n);
    reference.execute([instruction]);

    absence.take(...needs);
    machine.load([instruction]);
    machine.hart.pc = BigInt(RAM_BASE);
    const before = machine.hart.instret;
    expect(machine.hart.run(1)).toBe('page');
    expect(machine.hart.instret).toBe(before);
    expect(machine.hart.pc).toBe(BigInt(RAM_BASE));
    expect(machine.isDirty(DATA)).toBe(false);
    store32(memory, hartBlock(0) + H_MISSING, 0);
    expect(runBringing(machine, memory, absence, 1)).toEqual(needs.map(pageOf));
    expect(machine.hart.x(6)).toBe(reference.hart.x(6));
    for (const address of [DATA - 8, DATA, DATA + 8]) expect(machine.read64(address)).toBe(reference.read64(address));
    expect(memory.isComplete).toBe(true);
  });

  it('gives up when code is missing, also the second half of an instruction', () => {
    const machine = new TestMachine();
    const memory = new GuestMemory(machine.memory);
    const absence = new Absence(memory);
    const last = DATA - 2; // an instruction of 4 bytes, across two pages
    machine.load([i('addi', 6, 6, 5), i('addi', 6, 6, 7)], last);
    absence.take(last, DATA);
    machine.hart.pc = BigInt(last);
    expect(runBringing(machine, memory, absence, 2)).toEqual([pageOf(last), pageOf(DATA)]);
    expect(machine.hart.x(6)).toBe(12n);
  });

  it.each([
    { name: 'load', instruction: LOAD },
    { name: 'store', instruction: STORE },
  ])('waits for page tables, then for the page of a $name', ({ instruction }) => {
    const machine = translating(V | R | W);
    const memory = new GuestMemory(machine.memory);
    const absence = new Absence(memory);
    machine.write64(DATA + 8, 42n);
    machine.hart.setX(5, 8n);
    machine.hart.setX(7, 9n);
    absence.take(ROOT, MIDDLE, LEAVES, DATA);
    machine.load([instruction]);
    machine.hart.fence();
    machine.hart.pc = BigInt(RAM_BASE);
    expect(runBringing(machine, memory, absence, 1)).toEqual([ROOT, MIDDLE, LEAVES, DATA].map(pageOf));
    expect(machine.hart.pc).toBe(BigInt(RAM_BASE + 4));
    expect(machine.read64(DATA + 8)).toBe(instruction === STORE ? 9n : 42n);
    expect(machine.read64(LEAVES) & (A | D)).toBe(instruction === STORE ? A | D : A);
  });

  it('raises a fault rather than wait for a page that it may not have', () => {
    const machine = translating(V | R);
    const memory = new GuestMemory(machine.memory);
    new Absence(memory).take(DATA);
    expect(faultOf(machine, STORE, 8n)).toEqual({ cause: 15n, tval: 8n });
  });

  /** Adds a word of each page to the next one's, over and over: loads, stores, jumps, in `pages` pages. */
  const summing = (pages: number) =>
    program(
      { label: 'round' },
      li(5, BigInt(DATA)),
      li(9, BigInt(DATA + pages * PAGE_SIZE)),
      li(10, BigInt(PAGE_SIZE)),
      { label: 'page' },
      i('ld', 6, 5, 8),
      r('add', 7, 7, 6),
      s('sd', 7, 5, 16),
      amo('amoadd', 'w', 6, 5, 7),
      r('add', 5, 5, 10),
      { to: 'page', make: (offset) => b('bltu', 5, 9, offset) },
      i('addi', 8, 8, 1),
      li(11, 6n),
      { to: 'round', make: (offset) => b('bltu', 8, 11, offset) },
      li(12, BigInt(FINISHER)),
      s('sw', 8, 12, 0),
      jal(0, 0),
    );

  test('whatever is missing, and translated or not, a program computes the same', () => {
    const pages = 24;
    const run = (missing: readonly number[], translated: boolean) => {
      const machine = new TestMachine();
      const memory = new GuestMemory(machine.memory);
      if (translated) machine.translateAfter(1);
      for (let page = 0; page < pages; page++) machine.write64(DATA + page * PAGE_SIZE + 8, BigInt(3 * page + 1));
      const absence = new Absence(memory);
      machine.loadBytes(summing(pages), RAM_BASE);
      absence.take(...missing.map((page) => DATA + page * PAGE_SIZE));
      machine.hart.pc = BigInt(RAM_BASE);
      const asked = [];
      while (machine.finished === undefined) asked.push(...runBringing(machine, memory, absence, 100));
      return { asked, x: [5, 6, 7, 8].map((n) => machine.hart.x(n)), ram: memory.readBytes(DATA, pages * PAGE_SIZE) };
    };
    const expected = run([], false);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: pages - 1 })), fc.boolean(), (missing, translated) => {
        const { asked, x, ram } = run(missing, translated);
        expect(asked.toSorted((a, c) => a - c)).toEqual(
          missing.map((page) => page + pageOf(DATA)).toSorted((a, c) => a - c),
        );
        expect(x).toEqual(expected.x);
        expect(Buffer.compare(ram, expected.ram)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a device', () => {
  const RANDOM = 0xa7;

  function rng() {
    const driver = new VirtioDriver(new VirtioRng((size) => new Uint8Array(size).fill(RANDOM)));
    driver.start();
    return { driver, absence: new Absence(driver.memory) };
  }

  it('finds a chain only when rings, descriptors and buffers have arrived', async () => {
    const { driver, absence } = rng();
    const buffers = [BUFFERS + PAGE_SIZE - 8, BUFFERS + 4 * PAGE_SIZE].map((address) => ({
      address,
      size: 16,
      writable: true,
    }));
    const head = driver.add(0, buffers);
    const { descriptors, available, used } = driver.rings(0);
    const touched = [descriptors, available, used, BUFFERS, BUFFERS + PAGE_SIZE, BUFFERS + 4 * PAGE_SIZE].map(pageOf);
    absence.take(...touched.map((page) => RAM_BASE + page * PAGE_SIZE));
    const asked: number[] = [];
    driver.pages.request = (pages) => {
      asked.push(...pages);
      setImmediate(() => pages.forEach((page) => absence.bring(page)));
    };
    driver.notify(0);
    driver.notify(0); // it waits already
    await vi.waitFor(() => expect(driver.line).toBe(true));
    expect(asked.toSorted((a, c) => a - c)).toEqual(touched.toSorted((a, c) => a - c));
    expect(driver.used(0)).toEqual([{ head, written: 32 }]);
    for (const { address, size } of buffers) {
      expect(driver.memory.readBytes(address, size)).toEqual(new Uint8Array(size).fill(RANDOM));
    }
    expect(driver.errors).toEqual([]);
  });

  it('that was reset meanwhile forgets what it waited for', async () => {
    const { driver, absence } = rng();
    driver.add(0, [{ address: BUFFERS, size: 16, writable: true }]);
    absence.take(BUFFERS);
    driver.notify(0);
    driver.write(0x70, 0);
    absence.bringAll();
    await driver.pages.completion();
    await new Promise((resolve) => setImmediate(resolve));
    expect(driver.memory.readBytes(BUFFERS, 16)).toEqual(new Uint8Array(16));
    expect(driver.line).toBe(false);
  });
});

test('waits for pages that were asked for alone are told apart from those for pages that were on their way', () => {
  const memory = GuestMemory.create(2 ** 20, 2);
  const waitUs = (hart: number, page: number, us: number, isAsked: boolean) => {
    store32(memory, hartBlock(hart) + H_MISSING, page + 1);
    if (isAsked) noteAsked(memory, hart, page);
    noteArrival(memory, hart, BigInt(us) * 1000n);
  };
  expect(missLatencies(memory, 'fetched')).toEqual({ octaves: expect.any(Array), medianUs: null });
  for (const page of [3, 4, 5]) waitUs(0, page, 4, false);
  for (const page of [6, 7]) waitUs(1, page, 100, true);
  waitUs(0, 7, 4, false); // somebody else has had it fetched
  const all = missLatencies(memory, 'all');
  const fetched = missLatencies(memory, 'fetched');
  expect([all.octaves[2], all.octaves[6]]).toEqual([4, 2]);
  expect([fetched.octaves[2], fetched.octaves[6]]).toEqual([0, 2]);
  expect(all.medianUs).toBeCloseTo(4, -1);
  expect(Math.log2(fetched.medianUs! / 100)).toBeCloseTo(0, 0);
});
