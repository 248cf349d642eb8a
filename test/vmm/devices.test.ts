import { array, assert, boolean, constantFrom, integer, oneof, property, record, tuple, uint8Array } from 'fast-check';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Bus } from '../../libs/vmm/bus.js';
import { GuestClock } from '../../libs/vmm/clock.js';
import { Clint } from '../../libs/vmm/devices/clint.js';
import type { Device } from '../../libs/vmm/devices/device.js';
import { Finisher } from '../../libs/vmm/devices/finisher.js';
import { Plic } from '../../libs/vmm/devices/plic.js';
import { Uart } from '../../libs/vmm/devices/uart.js';
import { HARTS, HART_SIZE, H_MIP } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';

describe('UART', () => {
  const [DATA, IER, IIR, LCR, MCR, LSR, SCR] = [0, 1, 2, 3, 4, 5, 7];
  let sent: number[];
  let level: boolean;
  let uart: Uart;
  const newUart = () => new Uart({ transmit: (byte) => sent.push(byte), interrupt: (now) => (level = now) });
  const write = (register: number, value: number) => uart.write(register, 1, value);
  beforeEach(() => {
    sent = [];
    level = false;
    uart = newUart();
  });

  test('sends what is written, and its transmitter is always empty', () => {
    for (const byte of [1, 2, 3]) {
      expect(uart.read(LSR) & 0x60).toBe(0x60);
      write(DATA, byte);
    }
    expect(sent).toEqual([1, 2, 3]);
  });

  test('an empty transmitter interrupts once enabled, until IIR is read, and again after each byte', () => {
    write(IER, 2);
    expect(level).toBe(true);
    expect(uart.read(IIR) & 0x0f).toBe(2);
    expect(level).toBe(false);
    expect(uart.read(IIR) & 0x0f).toBe(1);
    write(DATA, 65);
    expect(level).toBe(true);
    write(IER, 0);
    expect(level).toBe(false);
    write(IER, 2);
    expect(level).toBe(true);
  });

  test('received data interrupts before an empty transmitter, until all is read', () => {
    write(IER, 3);
    uart.receive(Uint8Array.of(7, 8));
    expect(uart.read(IIR) & 0x0f).toBe(4);
    expect(uart.read(LSR) & 1).toBe(1);
    expect([uart.read(DATA), uart.read(DATA)]).toEqual([7, 8]);
    expect(uart.read(LSR) & 1).toBe(0);
    expect(uart.read(IIR) & 0x0f).toBe(2);
    expect(level).toBe(false);
  });

  test('the divisor latch hides data and IER', () => {
    write(LCR, 0x83);
    write(DATA, 0x34);
    write(IER, 0x12);
    expect([uart.read(DATA), uart.read(IER)]).toEqual([0x34, 0x12]);
    write(LCR, 3);
    expect(uart.read(IER)).toBe(0);
    expect(sent).toEqual([]);
  });

  test('loop-back receives what it sends', () => {
    write(MCR, 0x10);
    write(DATA, 9);
    expect(uart.read(DATA)).toBe(9);
    expect(sent).toEqual([]);
  });

  test('a backlog that is full takes no more', () => {
    expect(uart.receive(new Uint8Array(70_000))).toBe(65_536);
    expect(uart.receive(Uint8Array.of(1))).toBe(0);
  });

  test('behaves the same after save and restore, in any state', () => {
    const step = tuple(integer({ min: 0, max: 7 }), integer({ min: 0, max: 255 }), boolean());
    assert(
      property(array(step, { maxLength: 30 }), uint8Array({ maxLength: 40 }), (steps, typed) => {
        uart = newUart();
        uart.receive(typed);
        for (const [register, value, isWrite] of steps) {
          if (isWrite) write(register, value);
          else uart.read(register);
        }
        const saved = JSON.parse(JSON.stringify(uart.save())) as ReturnType<Uart['save']>;
        const copy = newUart();
        copy.restore(saved);
        expect(copy.save()).toEqual(uart.save());
        for (const register of [IIR, LSR, SCR, DATA, MCR]) expect(copy.read(register)).toBe(uart.read(register));
      }),
    );
    expect(() => uart.restore({ ...uart.save(), ier: 256 })).toThrow(/ier is 256/);
    expect(() => uart.restore({ ...uart.save(), received: [-1] })).toThrow(/received/);
  });
});

describe('PLIC', () => {
  const ENABLE = 0x2000;
  const CONTEXT = 0x200000;
  let lines: Record<string, boolean>;
  const newPlic = () => new Plic(2, { interrupt: (hart, mode, now) => (lines[`${hart}${mode}`] = now) });
  let plic: Plic;
  const write = (offset: number, value: number) => plic.write(offset, 4, value);
  const enable = (context: number, bits: number) => write(ENABLE + context * 0x80, bits);
  const claim = (context: number) => plic.read(CONTEXT + context * 0x1000 + 4);
  const complete = (context: number, source: number) => write(CONTEXT + context * 0x1000 + 4, source);
  beforeEach(() => {
    lines = {};
    plic = newPlic();
  });

  test('tells the contexts that enabled a source, M and S of each hart apart', () => {
    write(10 * 4, 1);
    enable(0, 1 << 10);
    enable(3, 1 << 10);
    plic.setLevel(10, true);
    expect(lines).toEqual({ '0M': true, '1S': true });
    expect(claim(3)).toBe(10);
    expect(lines).toEqual({ '0M': false, '1S': false });
    expect(claim(0)).toBe(0);
  });

  test('a source that is still high when completed is pending again; one that fell is not', () => {
    write(10 * 4, 1);
    enable(0, 1 << 10);
    plic.setLevel(10, true);
    expect(claim(0)).toBe(10);
    complete(0, 10);
    expect(claim(0)).toBe(10);
    plic.setLevel(10, false);
    complete(0, 10);
    expect(claim(0)).toBe(0);
    expect(lines['0M']).toBe(false);
  });

  test('the highest priority goes first, then the lowest number; a threshold holds back what is not above it', () => {
    enable(1, 0b1110);
    write(1 * 4, 2);
    write(2 * 4, 5);
    write(3 * 4, 5);
    for (const source of [1, 2, 3]) plic.setLevel(source, true);
    write(CONTEXT + 0x1000, 5);
    expect(lines['0S'] ?? false).toBe(false);
    write(CONTEXT + 0x1000, 4);
    expect(lines['0S']).toBe(true);
    expect([claim(1), claim(1), claim(1), claim(1)]).toEqual([2, 3, 1, 0]);
  });

  test('priority 0 never interrupts, completion of a source that is not enabled is ignored', () => {
    enable(0, 1 << 4);
    plic.setLevel(4, true);
    expect(lines['0M'] ?? false).toBe(false);
    write(4 * 4, 1);
    expect(claim(0)).toBe(4);
    complete(1, 4);
    expect(plic.read(0x1000) & (1 << 4)).toBe(0);
  });

  test('behaves the same after save and restore, in any state', () => {
    const offset = oneof(
      integer({ min: 0, max: 12 }).map((n) => n * 4),
      integer({ min: 0, max: 3 }).map((n) => ENABLE + n * 0x80),
      integer({ min: 0, max: 3 }).map((n) => CONTEXT + n * 0x1000),
      integer({ min: 0, max: 3 }).map((n) => CONTEXT + n * 0x1000 + 4),
    );
    const step = record({
      offset,
      value: integer({ min: 0, max: 4095 }),
      kind: constantFrom('read', 'write', 'line'),
    });
    assert(
      property(array(step, { maxLength: 40 }), (steps) => {
        plic = newPlic();
        for (const { offset: at, value, kind } of steps) {
          if (kind === 'read') plic.read(at);
          else if (kind === 'write') write(at, value);
          else plic.setLevel(1 + (value % 12), value % 2 === 1);
        }
        lines = {};
        const copy = newPlic();
        copy.restore(JSON.parse(JSON.stringify(plic.save())) as ReturnType<Plic['save']>);
        expect(copy.save()).toEqual(plic.save());
        for (const context of [0, 1, 2, 3]) {
          const at = CONTEXT + context * 0x1000 + 4;
          expect(copy.read(at)).toBe(plic.read(at));
        }
      }),
    );
  });
});

describe('test finisher', () => {
  test('passes, fails with a status, resets; anything else is nothing', () => {
    const ports = { shutdown: vi.fn<(status: number) => void>(), reset: vi.fn<() => void>() };
    const finisher = new Finisher(ports);
    finisher.write(0, 4, 0x5555);
    finisher.write(0, 4, 0x3333 | (300 << 16));
    finisher.write(0, 4, 0x7777);
    finisher.write(0, 4, 0x1234);
    finisher.write(4, 4, 0x5555);
    expect(ports.shutdown.mock.calls).toEqual([[0], [300]]);
    expect(ports.reset).toHaveBeenCalledTimes(1);
  });

  test('a reset that nobody carried out is said again, elsewhere too, until it comes', () => {
    const ports = { shutdown: vi.fn<(status: number) => void>(), reset: vi.fn<() => void>() };
    const first = new Finisher(ports);
    first.remind();
    expect(ports.reset).not.toHaveBeenCalled();
    first.write(0, 4, 0x7777);
    const second = new Finisher(ports);
    second.restore(first.save());
    second.remind();
    expect(ports.reset).toHaveBeenCalledTimes(2);
    second.reset();
    second.remind();
    expect(ports.reset).toHaveBeenCalledTimes(2);
    expect(() => second.restore({ resetWanted: 2 })).toThrow(/resetWanted is 2/);
  });
});

describe('CLINT', () => {
  let nowNs = 5_000n;
  const memory = GuestMemory.create(2 ** 20, 2);
  const clock = new GuestClock(memory, () => nowNs);
  const clint = new Clint(memory, clock);
  clock.start();
  const mip = (hart: number) => Atomics.load(memory.words, (HARTS + hart * HART_SIZE + H_MIP) / 4);

  test('mtime is guest time in ticks of 100 ns, and can be set', () => {
    nowNs += 12_300n;
    expect(clint.read(0xbff8, 8)).toBe(123n);
    clint.write(0xbff8, 8, 1n << 33n);
    nowNs += 100n;
    expect(clint.read(0xbff8, 8)).toBe((1n << 33n) + 1n);
    expect(clint.read(0xbffc, 4)).toBe(2n);
  });

  test('mtimecmp holds 64 bits for each hart, in one piece or two', () => {
    clint.write(0x4008, 8, 0x1122334455667788n);
    expect(clint.read(0x4008, 8)).toBe(0x1122334455667788n);
    clint.write(0x400c, 4, 0xffffffffn);
    expect(clint.read(0x4008, 4)).toBe(0x55667788n);
    expect(clint.read(0x4008, 8)).toBe(0xffffffff55667788n);
    expect(clint.read(0x4000, 8)).toBe(0n);
  });

  test('msip is a software interrupt of that hart alone', () => {
    clint.write(4, 4, 1n);
    expect([mip(0) & 8, mip(1) & 8]).toEqual([0, 8]);
    expect([clint.read(0, 4), clint.read(4, 4)]).toEqual([0n, 1n]);
    clint.write(4, 4, 0n);
    expect(mip(1) & 8).toBe(0);
  });

  test('registers of harts that are not there read as 0 and take nothing', () => {
    clint.write(0x4000 + 8 * 7, 8, 5n);
    clint.write(4 * 7, 4, 1n);
    expect([clint.read(0x4000 + 8 * 7, 8), clint.read(4 * 7, 4)]).toEqual([0n, 0n]);
  });
});

describe('guest time', () => {
  test('stands still while stopped, and goes on where it stopped', () => {
    let hostNs = 1_000_000n;
    const clock = new GuestClock(GuestMemory.create(2 ** 20, 1), () => hostNs);
    expect(clock.nowNs()).toBe(0n);
    clock.start();
    hostNs += 700n;
    clock.stop();
    hostNs += 1_000_000n;
    expect(clock.ticks()).toBe(7n);
    clock.start();
    hostNs += 100n;
    expect(clock.ticks()).toBe(8n);
    expect(clock.msUntil(7n)).toBe(0);
    expect(clock.msUntil(10_008n)).toBe(1);
    expect(clock.msUntil(2n ** 63n)).toBe(Infinity);
  });
});

describe('bus', () => {
  const device = () => ({
    read: () => 0x80000001,
    write: vi.fn<Device['write']>(),
    reset() {},
    save: () => null,
    restore() {},
  });

  test('finds the device, splits 8 bytes into two words, and says where nothing is', () => {
    const bus = new Bus();
    const first = device();
    bus.attach(0x1000, 0x100, first);
    expect(bus.read(0x1010, 4)).toBe(0x80000001n);
    expect(bus.read(0x1008, 8)).toBe(0x8000000180000001n);
    expect(bus.write(0x1008, 8, 0x1122334455667788n)).toBe(true);
    expect(first.write.mock.calls).toEqual([
      [8, 4, 0x55667788],
      [12, 4, 0x11223344],
    ]);
    expect(bus.read(0x10fe, 4)).toBeUndefined();
    expect(bus.write(0x2000, 1, 0n)).toBe(false);
    expect(() => bus.attach(0x10ff, 1, device())).toThrow(/overlaps/);
  });
});
