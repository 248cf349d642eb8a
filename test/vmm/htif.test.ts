/** HTIF: where `tohost` is, what a program says there, and that the harts tell of it. */
import { describe, expect, test } from 'vitest';
import { findSymbols } from '../../libs/vmm/elf-symbols.js';
import { Htif } from '../../libs/vmm/devices/htif.js';
import { MACHINE, M_TOHOST } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { amo, assemble, i, s, sizeOf } from './assembler.js';
import { elfFile } from './elf-file.js';
import { FakeTime } from './fake-time.js';
import { TestMachine } from './machine.js';

const BASE = 0x8000_0000;
const TOHOST = BASE + 0x1000;
const FROMHOST = BASE + 0x1040;
const CALL = BASE + 0x2000;

function htif(addresses = { tohost: TOHOST, fromhost: FROMHOST }) {
  const memory = GuestMemory.create(2 ** 20, 1);
  const seen = { printed: '', ended: undefined as number | undefined };
  const time = new FakeTime();
  const device = new Htif(memory, {
    guestNs: () => BigInt(time.ms) * 1_000_000n,
    callAfter: time.callAfter,
    consoleOutput: (bytes) => (seen.printed += new TextDecoder().decode(bytes)),
    shutdown: (status) => (seen.ended = status),
  });
  device.attach(addresses);
  device.resume();
  const say = (value: bigint) => {
    memory.write64(TOHOST, value);
    device.noteStore(TOHOST, 8);
  };
  const sayHalf = (offset: 0 | 4, value: number) => {
    memory.write32(TOHOST + offset, value);
    device.noteStore(TOHOST + offset, 4);
  };
  const call = (...words: bigint[]) => {
    words.forEach((word, index) => memory.write64(CALL + 8 * index, word));
    say(BigInt(CALL));
    return [memory.read64(CALL), memory.read64(FROMHOST)];
  };
  return { memory, device, seen, say, sayHalf, call, time };
}

describe('symbols', () => {
  const code = assemble([i('addi', 0, 0, 0), i('addi', 0, 0, 0)]);
  const file = elfFile(code, BASE, { _start: BASE, tohost: BASE + 4, tohost_not: BASE });

  test('are found by their whole name, at their physical address', () => {
    expect(findSymbols(file, ['tohost', 'fromhost'])).toEqual({ tohost: BASE + 4 });
    expect(findSymbols(code, ['tohost'])).toEqual({});
    expect(findSymbols(elfFile(code, BASE, { tohost: BASE + 64 }), ['tohost'])).toEqual({}); // in no segment
  });

  test('that are cut off or garbled are none, and nothing is read outside the file', () => {
    for (let size = 200; size < file.length; size++) expect(findSymbols(file.slice(0, size), ['tohost'])).toEqual({});
    for (let at = 120; at < file.length; at++) {
      const found = findSymbols(file.with(at, 0xff), ['tohost']);
      expect([{}, { tohost: BASE + 4 }, { tohost: BASE }]).toContainEqual(found);
    }
  });
});

describe('what a program says', () => {
  test('1 is success, another odd number a failure, which no cutting off makes a success', () => {
    for (const [value, status] of [
      [1n, 0],
      [3n, 1],
      [1337n, 255],
      [(256n << 1n) | 1n, 255],
      [(7n << 1n) | 1n, 7],
    ] as const) {
      const { say, seen, memory } = htif();
      say(value);
      expect(seen.ended).toBe(status);
      expect(memory.read64(TOHOST)).toBe(0n);
    }
  });

  test('device 1, command 1 prints; what nobody knows is heard and forgotten', () => {
    const { say, seen, memory } = htif();
    for (const character of 'hi') say((1n << 56n) | (1n << 48n) | BigInt(character.charCodeAt(0)));
    for (const unknown of [1n << 56n, 5n << 56n, 0xffn << 48n, 2n ** 63n]) say(unknown);
    expect(seen).toEqual({ printed: 'hi', ended: undefined });
    expect(memory.read64(TOHOST)).toBe(0n);
  });

  test('system calls write and exit are answered, others refused, garbage ignored', () => {
    const { call, say, seen, memory } = htif();
    memory.writeBytes(BASE + 0x3000, new TextEncoder().encode('hello'));
    expect(call(64n, 1n, BigInt(BASE + 0x3000), 5n)).toEqual([5n, 1n]);
    expect(call(63n, 0n, BigInt(BASE + 0x3000), 5n)).toEqual([2n ** 64n - 38n, 1n]);
    expect(call(64n, 1n, 0x1000n, 5n)).toEqual([5n, 1n]);
    say(0x1000n);
    expect(seen).toEqual({ printed: 'hello', ended: undefined });
    call(93n, 3n);
    expect(seen.ended).toBe(3);
  });
});

describe('halves of 32 bits', () => {
  const PUT = 0x0101_0000;
  const A = 'A'.charCodeAt(0); // odd, so it would be the end if the upper half did not come

  test('make a word in either order, again and again', () => {
    const { sayHalf, seen } = htif();
    for (const character of 'ABC') {
      sayHalf(0, character.charCodeAt(0));
      sayHalf(4, PUT);
      sayHalf(4, PUT);
      sayHalf(0, character.charCodeAt(0));
      sayHalf(0, 0); // some clear it, as nobody has to
      sayHalf(4, 0);
    }
    expect(seen).toEqual({ printed: 'AABBCC', ended: undefined });
  });

  test('say the end alone, if the same is said again, or nothing more', () => {
    const repeated = htif();
    repeated.sayHalf(0, 7);
    expect(repeated.seen.ended).toBe(undefined);
    repeated.sayHalf(0, 7);
    expect(repeated.seen.ended).toBe(3);
    const { sayHalf, seen, time } = htif();
    sayHalf(0, 1);
    time.pass(999);
    expect(seen.ended).toBe(undefined);
    time.pass(1);
    expect([seen.ended, time.waiting]).toEqual([0, 0]);
  });

  test('find each other though the machine was held, or the guest was moved in between', () => {
    const { sayHalf, device, time, seen } = htif();
    sayHalf(0, A);
    device.hold();
    time.pass(10_000);
    const moved = htif({ tohost: 0, fromhost: 0 });
    moved.device.hold();
    moved.memory.write32(TOHOST, A);
    moved.device.restore(device.save());
    moved.device.resume();
    moved.time.pass(999);
    moved.sayHalf(4, PUT);
    expect([seen, moved.seen].map(({ printed, ended }) => [printed, ended])).toEqual([
      ['', undefined],
      ['A', undefined],
    ]);
    moved.time.pass(10_000);
    expect(moved.seen.ended).toBe(undefined);
  });
});

test('addresses travel with the state; those outside RAM are refused', () => {
  const { device } = htif();
  const other = htif({ tohost: 0, fromhost: 0 });
  other.device.restore(device.save());
  expect([TOHOST - 1, TOHOST, TOHOST + 7, TOHOST + 8].map((at) => other.device.hears(at))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect(() => other.device.restore({ tohost: 0x1000, fromhost: 0, half: 0 })).toThrow(/htif state: tohost is 4096/);
  expect(() => other.device.restore({ tohost: -1, fromhost: 0, half: 0 })).toThrow(/htif state: tohost/);
  expect(() => other.device.restore({ tohost: TOHOST, fromhost: 0, half: 3 })).toThrow(/htif state: half is 3/);
  expect(htif({ tohost: 0, fromhost: 0 }).device.hears(0)).toBe(false);
});

/** A hart with 77 in t0 and the address of tohost in t1; what it tells of, as address and size. */
function teller() {
  const told: [number, number][] = [];
  const memory = new TestMachine().memory;
  new DataView(memory.buffer).setBigUint64(MACHINE + M_TOHOST, BigInt(TOHOST), true);
  const ports = { mmioWrite: (address: number, size: number) => told.push([address, size]) > 0 };
  const machine = new TestMachine({ memory, ports });
  machine.hart.setX(5, 77n);
  machine.hart.setX(6, BigInt(TOHOST));
  return { machine, told };
}

test('a hart tells of each store to tohost, of no other, and stores all the same', () => {
  const { machine, told } = teller();
  const stores = [s('sd', 5, 6, 0), s('sd', 5, 6, 8), s('sw', 5, 6, 4), s('sd', 5, 6, -8), s('sd', 5, 6, 0)];
  machine.execute(stores);
  expect(machine.hart.pc).toBe(BigInt(BASE + sizeOf(stores)));
  expect(told).toEqual([
    [TOHOST, 8],
    [TOHOST + 4, 4],
    [TOHOST, 8],
  ]);
  expect([-8, 0, 8].map((offset) => machine.read64(TOHOST + offset))).toEqual([77n, 77n, 77n]);
});

test('a hart tells of atomic operations that store there, and not of those that do not', () => {
  const { machine, told } = teller();
  machine.hart.setX(7, BigInt(TOHOST + 4));
  machine.hart.setX(8, BigInt(TOHOST + 8));
  const silent = [amo('sc', 'd', 9, 6, 5), amo('lr', 'd', 10, 6, 0), amo('amoor', 'd', 0, 8, 5)];
  machine.execute([...silent, amo('lr', 'd', 0, 6, 0), amo('sc', 'd', 11, 6, 5), amo('amoadd', 'w', 12, 7, 5)]);
  expect([9, 11, 12].map((register) => machine.hart.x(register))).toEqual([1n, 0n, 0n]);
  expect(told).toEqual([
    [TOHOST, 8],
    [TOHOST + 4, 4],
  ]);
  expect(machine.read64(TOHOST)).toBe((77n << 32n) | 77n);
});
