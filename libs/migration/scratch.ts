/**
 * Where the engine keeps its things in the VM's memory, from ENGINE on (see layout.ts).
 *
 *     0x00_0000  PENDING  one bit a guest page: still to be sent
 *     0x08_0000  LIST     numbers of the pages of the next batch
 *     0x08_1000  CONTROL  room for one message that is being sealed, then copied out
 *     0x1a_0000  RECEIVE  room for one frame that comes in
 *     0x2c_0000  SLOTS    frames on their way out; at a destination in post-copy, room for what was asked for
 *     0xbc_0000  PLAIN    a batch that came compressed
 *     0xce_0000  pages    room for one frame that comes in, for each connection of multifd
 *    0x194_0000  urgent   room for frames of a few pages on their way out, in post-copy
 *    0x196_0000  small    room for one frame that comes in, for each connection that may not be a migration's
 */
import { layout } from '#vmm';
import { FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './protocol.js';

const { BITMAP_SIZE, ENGINE, ENGINE_SIZE } = layout;

export const PENDING = ENGINE;
export const LIST = PENDING + BITMAP_SIZE;
/** Numbers that fit there. */
export const LIST_PAGES = 0x400;
export const CONTROL = LIST + 4 * LIST_PAGES;
const RECEIVE = ENGINE + 0x1a_0000;
const SLOTS = ENGINE + 0x2c_0000;
const SLOT_SIZE = 0x12_0000;
const SLOT_COUNT = 8;
export const PLAIN = ENGINE + 0xbc_0000;
const PAGES = ENGINE + 0xce_0000;
/** The most connections of multifd; each needs a slot to send from, and room to receive. */
export const MAX_PAGE_LANES = SLOT_COUNT;
const URGENT_SLOTS = ENGINE + 0x194_0000;
const URGENT_SLOT_SIZE = 0x8000;
const URGENT_SLOT_COUNT = 4;
/** Pages that fit there. */
export const URGENT_PAGES = 7;
const SMALL = ENGINE + 0x196_0000;
const SMALL_SIZE = 0x4000;
const SMALL_COUNT = 8;

/** What one connection uses of this: room for one frame that comes in, addresses of frames with pages that go out. */
export interface Lane {
  readonly receive: number;
  readonly receiveBytes: number;
  readonly slots: readonly number[];
}

const places = (first: number, size: number, count: number) =>
  Array.from({ length: count }, (_, index) => first + index * size);

export const MAIN_LANE: Lane = {
  receive: RECEIVE,
  receiveBytes: FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES,
  slots: places(SLOTS, SLOT_SIZE, SLOT_COUNT),
};
/** Of the connections of multifd, at both ends; they share the slots. */
export const pageLanes = (count: number): readonly Lane[] =>
  places(PAGES, SLOT_SIZE, count).map((receive, lane) => ({
    receive,
    receiveBytes: MAIN_LANE.receiveBytes,
    slots: MAIN_LANE.slots.filter((_, slot) => slot % count === lane),
  }));
/** For connections of which is not known what they are: no frame may be longer than a few pages. */
export const SMALL_LANES: readonly Lane[] = places(SMALL, SMALL_SIZE, SMALL_COUNT).map((receive) => ({
  receive,
  receiveBytes: SMALL_SIZE,
  slots: [],
}));
/** Of the destination, for pages that were asked for. */
export const URGENT_RECEIVE_LANE: Lane = { receive: SLOTS, receiveBytes: MAIN_LANE.receiveBytes, slots: [] };
/** Of the source, for pages that were asked for. */
export const URGENT_LANE: Lane = {
  ...SMALL_LANES[0]!,
  slots: places(URGENT_SLOTS, URGENT_SLOT_SIZE, URGENT_SLOT_COUNT),
};

if (
  SLOTS + SLOT_COUNT * SLOT_SIZE > PLAIN ||
  FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES > Math.min(SLOT_SIZE, RECEIVE - CONTROL, SLOTS - RECEIVE)
) {
  throw new RangeError('a frame does not fit its slot');
}
if (PAGES + MAX_PAGE_LANES * SLOT_SIZE > URGENT_SLOTS || SMALL + SMALL_COUNT * SMALL_SIZE > ENGINE + ENGINE_SIZE)
  throw new RangeError('the slots do not fit the scratch area');
