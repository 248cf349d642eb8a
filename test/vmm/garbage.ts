/**
 * A guest that writes garbage: into every register of the board, and into rings that a virtio device then works through.
 * Whatever it writes, no access may throw, no memory beside RAM may change, and the state must still be one that another
 * board takes.
 */
import { BOARD, virtioSlot } from '../../libs/vmm/board.js';
import { BoardDevices } from '../../libs/vmm/board-devices.js';
import { GuestClock } from '../../libs/vmm/clock.js';
import { VirtioBalloon } from '../../libs/vmm/devices/virtio/balloon.js';
import { VirtioBlk } from '../../libs/vmm/devices/virtio/blk.js';
import { VirtioConsole } from '../../libs/vmm/devices/virtio/console.js';
import { VirtioNet } from '../../libs/vmm/devices/virtio/net.js';
import { VirtioRng } from '../../libs/vmm/devices/virtio/rng.js';
import { CODE_VERSION, ENGINE, RAM_BASE } from '../../libs/vmm/layout.js';
import { GuestMemory } from '../../libs/vmm/memory.js';
import { PageWaiter } from '../../libs/vmm/missing-pages.js';
import { Random } from '../random.js';
import { FakeTime } from './fake-time.js';

const MIB = 2 ** 20;
const RAM_MIB = 16;
const HARTS = 2;
/** Everything of a ring lies in the first so many bytes of RAM, where garbage meets garbage. */
const ARENA = 0x2_0000;
const REGIONS = [BOARD.finisher, BOARD.rtc, BOARD.watchdog, BOARD.plic, BOARD.uart];
const SIZES = [1, 2, 4, 8];

function newBoard(memory: GuestMemory, time: FakeTime): BoardDevices {
  const disk = new Uint8Array(64 * 1024);
  const backend = {
    ...{ sizeBytes: disk.length, isReadOnly: false, canDiscard: true },
    read: async (views: readonly Uint8Array[], offset: number) => {
      for (const view of views) view.set(disk.subarray(offset, (offset += view.length)));
    },
    write: async (views: readonly Uint8Array[], offset: number) => {
      for (const view of views) {
        disk.set(view, offset);
        offset += view.length;
      }
    },
    flush: async () => undefined,
    discard: async (offset: number, size: number) => void disk.fill(0, offset, offset + size),
    writeZeroes: async (offset: number, size: number) => void disk.fill(0, offset, offset + size),
  };
  const blk = { serial: 'd', queues: 2, logicalBlockSize: 512, physicalBlockSize: 4096, writeCache: true };
  const serial = new VirtioConsole(2);
  for (const number of [0, 1]) {
    serial.addPort({
      ...{ number, name: `p${number}`, isConsole: number === 0, guestOpenChanged: () => undefined },
      backend: {
        ...{ isOpen: true, isFull: false, write: () => undefined, readMore: () => undefined },
        attach: () => undefined,
      },
    });
  }
  const devices = [
    new VirtioRng((size) => new Uint8Array(size)),
    new VirtioBalloon(
      { deflateOnOom: true, freePageReporting: true },
      { giveBack: (bytes) => bytes.fill(0).length > 0, changed: () => undefined, told: () => undefined },
    ),
    new VirtioBlk(backend, blk),
    new VirtioNet(
      { mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtu: 1500 },
      { send: () => true, hasRoom: () => undefined, arrived: () => undefined },
    ),
    serial,
  ];
  return new BoardDevices(memory, new GuestClock(memory, () => BigInt(time.ms) * 1_000_000n), devices, {
    wallNs: () => BigInt(time.ms) * 1_000_000n,
    callAfter: time.callAfter,
    consoleOutput: () => undefined,
    guestShutdown: () => undefined,
    guestReset: () => undefined,
    watchdogExpired: () => undefined,
    deviceError: () => undefined,
    pages: new PageWaiter(memory),
  });
}

/** A number that a register or a descriptor could find interesting. */
function value(random: Random): number {
  const kind = random.below(8);
  if (kind < 2) return random.below(16);
  if (kind === 2) return 2 ** random.below(32);
  if (kind === 3) return 0xffff_ffff - random.below(3);
  if (kind === 4) return RAM_BASE + random.below(ARENA);
  if (kind === 5) return RAM_BASE + RAM_MIB * MIB - random.below(0x2000);
  return Number(random.bigint(32));
}

class Garbage {
  private readonly slots: number;

  constructor(
    private readonly random: Random,
    private readonly memory: GuestMemory,
    private readonly board: BoardDevices,
  ) {
    this.slots = board.virtio.length;
  }

  /** An access anywhere, of any size, aligned or not. */
  async access(): Promise<void> {
    const { random, board } = this;
    const regions = [...REGIONS, ...Array.from({ length: this.slots }, (_, slot) => virtioSlot(slot))];
    const { base, size } = random.pick(regions);
    const address = base + random.below(random.chance(80) ? Math.min(size, 0x200) : size);
    const bytes = random.pick(SIZES);
    if (random.chance(40)) board.bus.read(address, bytes);
    else await board.write(address, bytes, random.chance(50) ? BigInt(value(random)) : random.bigint(64));
  }

  /** Brings a device up by the rules, with queues anywhere, and lets it work through what lies there. */
  async drive(): Promise<void> {
    const { random, memory } = this;
    const slot = random.below(this.slots);
    const { base } = virtioSlot(slot);
    const set = async (offset: number, word: number) =>
      void (await this.board.write(base + offset, 4, BigInt(word >>> 0)));
    const { device } = this.board.virtio[slot]!;
    await set(0x70, 0);
    await set(0x70, 3);
    const accepted = (device.features & random.bigint(64)) | (1n << 32n) | (random.chance(50) ? 3n << 28n : 0n);
    for (const half of [0, 1]) {
      await set(0x24, half);
      await set(0x20, Number((accepted >> BigInt(32 * half)) & 0xffff_ffffn));
    }
    await set(0x70, 11);
    for (const queue of device.queueSizes.keys()) {
      await set(0x30, queue);
      await set(0x38, 2 ** random.below(7));
      for (const register of [0x80, 0x90, 0xa0]) await set(register, RAM_BASE + 16 * random.below(ARENA / 16));
      await set(0x44, 1);
    }
    for (let count = random.below(40); count > 0; count--) this.descriptor();
    await set(0x70, 15);
    for (const { state } of this.board.virtio[slot]!.queues) {
      if (state.ready && random.chance(80))
        memory.write16(state.available + 2, state.nextAvailable + random.below(state.size + 2));
    }
    for (let count = random.below(8); count > 0; count--) {
      if (random.chance(50)) this.descriptor();
      await set(0x50, random.below(device.queueSizes.length + 1));
    }
  }

  /** What may be a descriptor, an index, or the head of a request. */
  private descriptor(): void {
    const { random, memory } = this;
    const at = RAM_BASE + 16 * random.below(ARENA / 16);
    memory.write64(at, BigInt(value(random)));
    memory.write32(at + 8, random.pick([0, 1, 16, 512, 4096, 0x1_0000, value(random)]));
    memory.write16(at + 12, random.below(8));
    memory.write16(at + 14, random.below(20));
  }
}

/** Throws an Error if anything beside RAM has been written that no device has to do with. */
function checkSurroundings(memory: GuestMemory): void {
  for (const [from, to] of [
    [0, 0x1000],
    [ENGINE, CODE_VERSION],
  ] as const) {
    const words = new BigUint64Array(memory.memory.buffer, from, (to - from) / 8);
    const at = words.findIndex((word) => word !== 0n);
    if (at >= 0) throw new Error(`0x${(from + at * 8).toString(16)}, which is not RAM, holds ${words[at]}`);
  }
}

/** So many steps of a guest out of its mind; throws what the board throws. The same seed does the same. */
export async function writeGarbage(seed: number, steps: number): Promise<void> {
  const random = new Random(seed);
  const time = new FakeTime();
  const memory = GuestMemory.create(RAM_MIB * MIB, HARTS);
  let board = newBoard(memory, time);
  board.resume();
  for (let step = 0; step < steps; step++) {
    const garbage = new Garbage(random, memory, board);
    if (random.chance(90)) await garbage.access();
    else await garbage.drive();
    if (random.chance(5)) time.pass(random.below(20_000));
    if (random.chance(2)) board = await moved(board, memory, time);
  }
  checkSurroundings(memory);
}

/** As a migration does it: what one board has become, another takes up. */
async function moved(board: BoardDevices, memory: GuestMemory, time: FakeTime): Promise<BoardDevices> {
  board.hold();
  await board.quiesce();
  const state = JSON.stringify(board.save());
  const next = newBoard(memory, time);
  next.restore(JSON.parse(state) as ReturnType<BoardDevices['save']>);
  if (JSON.stringify(next.save()) !== state) throw new Error(`a board that has taken up ${state} says otherwise`);
  next.resume();
  return next;
}
