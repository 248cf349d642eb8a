import { expect, test } from 'vitest';
import { BOARD, virtioSlot } from '../../libs/vmm/board.js';
import { POSTED_ENTRIES } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { drainWrites, mayBePosted, postWrite, type DeviceWrite } from '../../libs/vmm/posted-writes.js';

const letter = (text: string): DeviceWrite => ({
  address: BOARD.uart.base,
  size: 1,
  value: BigInt(text.charCodeAt(0)),
});

function drained(memory: GuestMemory): DeviceWrite[] {
  const writes: DeviceWrite[] = [];
  drainWrites(memory, memory.harts, (write) => writes.push(write));
  return writes;
}

test.each([
  ['a letter for the UART', { address: BOARD.uart.base, size: 1 }, true],
  ['a word for the UART', { address: BOARD.uart.base, size: 4 }, false],
  ['what the PLIC is told', { address: BOARD.plic.base + 0x20_1004, size: 4 }, true],
  ['a signal to a virtio device', { address: virtioSlot(7).base + 0x50, size: 4 }, true],
  ['its reset', { address: virtioSlot(7).base + 0x70, size: 4 }, false],
  ['what lies behind the last one', { address: virtioSlot(8).base + 0x50, size: 4 }, false],
  ['the end of the machine', { address: BOARD.finisher.base, size: 4 }, false],
])('%s is posted or not', (_what, where, posted) => {
  expect(mayBePosted({ ...where, value: 0n })).toBe(posted);
});

test('each hart’s writes are carried out once, in order, whole', () => {
  const memory = GuestMemory.create(2 ** 20, 2);
  const wide = { address: BOARD.plic.base, size: 4, value: 0xffff_fffen };
  for (const write of [letter('a'), wide, letter('b')]) expect(postWrite(memory, 1, write)).toBe(true);
  expect(postWrite(memory, 0, letter('c'))).toBe(true);
  expect(drained(memory)).toEqual([letter('c'), letter('a'), wide, letter('b')]);
  expect(drained(memory)).toEqual([]);
});

test('a full ring takes nothing until it has been emptied, also when its counters wrap around', () => {
  const memory = GuestMemory.create(2 ** 20, 1);
  for (let round = 0; round < 3; round++) {
    for (let made = 0; made < POSTED_ENTRIES; made++) expect(postWrite(memory, 0, letter('x'))).toBe(true);
    expect(postWrite(memory, 0, letter('y'))).toBe(false);
    expect(drained(memory)).toHaveLength(POSTED_ENTRIES);
  }
});
