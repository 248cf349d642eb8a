import { beforeEach, describe, expect, test, vi } from 'vitest';
import { handleSbi, type SbiPorts } from '../../libs/vmm/sbi.js';

const [BASE, TIME, SPI, RFENCE, HSM, SRST, DBCN] = [
  0x10, 0x54494d45, 0x735049, 0x52464e43, 0x48534d, 0x53525354, 0x4442434e,
];
const ALL = 2n ** 64n - 1n;
const RAM = 0x80000000n;

const newPorts = () => ({
  harts: 4,
  isRam: (address: bigint, size: bigint) => address >= RAM && address + size <= RAM + 0x1000n,
  setTimer: vi.fn<SbiPorts['setTimer']>(),
  sendIpi: vi.fn<SbiPorts['sendIpi']>(),
  remoteFence: vi.fn<SbiPorts['remoteFence']>(),
  hartState: (hart: number) => (hart === 0 ? 0 : 1),
  startHart: vi.fn<SbiPorts['startHart']>((hart) => hart !== 0),
  stopSelf: vi.fn<SbiPorts['stopSelf']>(),
  suspendSelf: vi.fn<SbiPorts['suspendSelf']>(),
  systemReset: vi.fn<SbiPorts['systemReset']>(),
  consoleWrite: vi.fn<SbiPorts['consoleWrite']>((_address, size) => size),
  consoleRead: vi.fn<SbiPorts['consoleRead']>(() => 2n),
  consoleWriteByte: vi.fn<SbiPorts['consoleWriteByte']>(),
});
let ports: ReturnType<typeof newPorts>;
beforeEach(() => {
  ports = newPorts();
});

/** [error, value], or undefined if the call does not return. */
function call(extension: number | undefined, fid: number, ...args: bigint[]) {
  const result = handleSbi({ extension: BigInt(extension!), function: BigInt(fid), args }, ports);
  return result && [result.error, result.value];
}

describe('base', () => {
  test('is version 2.0 and knows which extensions there are', () => {
    expect(call(BASE, 0)).toEqual([0, 0x2000000n]);
    for (const extension of [BASE, TIME, SPI, RFENCE, HSM, SRST, DBCN])
      expect(call(BASE, 3, BigInt(extension!))).toEqual([0, 1n]);
    for (const absent of [0n, 0x504d55n, ALL]) expect(call(BASE, 3, absent)).toEqual([0, 0n]);
  });

  test('what is not there is not supported', () => {
    for (const [extension, fid] of [
      [BASE, 7],
      [0x504d55, 0],
      [1, 0],
      [TIME, 1],
      [SPI, 1],
      [RFENCE, 3],
      [HSM, 4],
      [SRST, 1],
      [DBCN, 3],
    ]) {
      expect(call(extension, fid!)).toEqual([-2, 0n]);
    }
  });
});

test('TIME sets the timer', () => {
  expect(call(TIME, 0, 123n)).toEqual([0, 0n]);
  expect(ports.setTimer).toHaveBeenCalledWith(123n);
});

describe('hart masks', () => {
  test.each([
    [0b101n, 0n, [0, 2]],
    [0b11n, 2n, [2, 3]],
    [0n, ALL, [0, 1, 2, 3]],
    [0n, 0n, []],
  ])('%d from %d selects %j', (mask, base, harts) => {
    expect(call(SPI, 0, mask, base)).toEqual([0, 0n]);
    expect(ports.sendIpi).toHaveBeenCalledWith(harts);
    expect(call(RFENCE, 1, mask, base)).toEqual([0, 0n]);
    expect(ports.remoteFence).toHaveBeenCalledWith(harts, undefined);
  });

  test('a hart that does not exist makes the mask invalid', () => {
    expect(call(SPI, 0, 0b10000n, 0n)).toEqual([-3, 0n]);
    expect(call(RFENCE, 0, 0b11n, 3n)).toEqual([-3, 0n]);
    expect(ports.sendIpi).not.toHaveBeenCalled();
  });
});

test('RFENCE: a range of few pages is one, FENCE.I and large ranges are everything', () => {
  const fence = (fid: number, start: bigint, size: bigint) => {
    expect(call(RFENCE, fid, 1n, 0n, start, size)).toEqual([0, 0n]);
    return ports.remoteFence.mock.lastCall![1];
  };
  expect(fence(1, 0x1ff0n, 0x20n)).toEqual({ start: 0x1000n, pages: 2 });
  expect(fence(2, 0xffffffc000000000n, 0x1000n)).toEqual({ start: 0xffffffc000000000n, pages: 1 });
  expect(fence(0, 0x1000n, 0x1000n)).toBeUndefined();
  for (const [start, size] of [
    [0n, 0n],
    [0n, ALL],
    [0x1000n, 0x41000n],
  ] as const) {
    expect(fence(1, start, size)).toBeUndefined();
  }
});

describe('HSM', () => {
  test('starts a stopped hart in RAM', () => {
    expect(call(HSM, 0, 2n, RAM, 77n)).toEqual([0, 0n]);
    expect(ports.startHart).toHaveBeenCalledWith(2, RAM, 77n);
    expect(call(HSM, 0, 0n, RAM, 0n)).toEqual([-6, 0n]);
    expect(call(HSM, 0, 4n, RAM, 0n)).toEqual([-3, 0n]);
    expect(call(HSM, 0, 1n, 0x1000n, 0n)).toEqual([-5, 0n]);
  });

  test('says a hart’s state, stops and suspends the caller', () => {
    expect([call(HSM, 2, 0n), call(HSM, 2, 1n), call(HSM, 2, 9n)]).toEqual([
      [0, 0n],
      [0, 1n],
      [-3, 0n],
    ]);
    expect(call(HSM, 1)).toBeUndefined();
    expect(ports.stopSelf).toHaveBeenCalled();
    expect(call(HSM, 3, 0n)).toEqual([0, 0n]);
    expect(ports.suspendSelf).toHaveBeenLastCalledWith();
    expect(call(HSM, 3, 0x80000000n, RAM, 5n)).toBeUndefined();
    expect(ports.suspendSelf).toHaveBeenLastCalledWith({ pc: RAM, opaque: 5n });
    expect(call(HSM, 3, 0x80000000n, 0n, 5n)).toEqual([-5, 0n]);
    expect(call(HSM, 3, 1n)).toEqual([-3, 0n]);
  });
});

test.each([
  [0n, 0n, 'shutdown'],
  [0n, 1n, 'failure'],
  [1n, 0n, 'reboot'],
  [2n, 1n, 'reboot'],
])('SRST type %d reason %d is a %s', (type, reason, kind) => {
  expect(call(SRST, 0, type, reason)).toBeUndefined();
  expect(ports.systemReset).toHaveBeenCalledWith(kind);
});

test('SRST refuses types and reasons that are reserved', () => {
  expect(call(SRST, 0, 3n, 0n)).toEqual([-3, 0n]);
  expect(call(SRST, 0, 0n, 2n)).toEqual([-3, 0n]);
});

describe('DBCN', () => {
  test('writes and reads RAM only, and single bytes', () => {
    expect(call(DBCN, 0, 5n, RAM, 0n)).toEqual([0, 5n]);
    expect(ports.consoleWrite).toHaveBeenCalledWith(RAM, 5n);
    expect(call(DBCN, 1, 5n, RAM, 0n)).toEqual([0, 2n]);
    expect(call(DBCN, 0, 5n, RAM + 0xffen, 0n)).toEqual([-3, 0n]);
    expect(call(DBCN, 1, 5n, RAM, 1n)).toEqual([-3, 0n]);
    expect(call(DBCN, 2, 0x141n)).toEqual([0, 0n]);
    expect(ports.consoleWriteByte).toHaveBeenCalledWith(0x41);
  });
});
