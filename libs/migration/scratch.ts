/**
 * Where the engine keeps its things in the VM's memory, from ENGINE on (see layout.ts).
 *
 *     0x00_0000  PENDING  one bit a guest page: still to be sent
 *     0x02_0000  LIST     numbers of the pages of the next batch
 *     0x02_1000  CONTROL  room for one message that is being sealed, then copied out
 *     0x14_0000  RECEIVE  room for one frame that comes in
 *     0x26_0000  SLOTS    frames on their way out
 */
import { layout } from '#vmm';
import { FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './protocol.js';

const { BITMAP_SIZE, ENGINE, ENGINE_SIZE } = layout;

export const PENDING = ENGINE;
export const LIST = PENDING + BITMAP_SIZE;
export const CONTROL = LIST + 0x1000;
export const RECEIVE = ENGINE + 0x14_0000;
export const SLOTS = ENGINE + 0x26_0000;
export const SLOT_SIZE = 0x12_0000;
export const SLOT_COUNT = 8;

if (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES > Math.min(SLOT_SIZE, RECEIVE - CONTROL, SLOTS - RECEIVE)) {
  throw new RangeError('a frame does not fit its slot');
}
if (SLOTS + SLOT_COUNT * SLOT_SIZE > ENGINE + ENGINE_SIZE)
  throw new RangeError('the slots do not fit the scratch area');
