/**
 * The host-target interface of RISC-V's test suites: 8 bytes of RAM at the symbol `tohost`, by which a program speaks to
 * its simulator. There is no register: the program stores, and the hart that did says so. What a value means, from the
 * top: 8 bits device, 8 bits command, 48 bits payload (Spike, fesvr/device.h).
 *
 *     device 0, payload odd    the end: payload >> 1 is the exit status, so 1 is success
 *     device 0, payload even   where in RAM eight words say which system call is wanted: write, exit
 *     device 1, command 1      the payload is a character to print
 *
 * A program may store in two halves of 32 bits, in either order. So the first half waits for the other, or for the same
 * again, which is how a program without the other waits for its end; or for HALF_NS, when it is not repeated either.
 */
import { M_TOHOST, MACHINE } from '../layout.js';
import type { GuestMemory } from '../memory.js';
import { store64 } from '../shared.js';
import { Deadline, type CallAfter } from './deadline.js';
import { checkFields } from './device.js';

const CONSOLE = 1n;
const PUT_CHARACTER = 1n;
// System calls, numbered as Linux does for RISC-V.
const SYS_WRITE = 64n;
const SYS_EXIT = 93n;
const ENOSYS = 38n;
const STANDARD_ERROR = 2n;
/** Of a string that is printed, so much at a time. */
const CHUNK = 4096;
/** What a process's exit status can be. A failure must not become a success by being cut off. */
const MAX_STATUS = 255n;
/** Long, since a busy host may hold a hart up between the two; who stores one half alone has nothing else to do. */
const HALF_NS = 1_000_000_000n;

/** Which half of the word has been stored and waits for the other. */
const NONE = 0;
const LOWER = 1;
const UPPER = 2;

export interface HtifPorts {
  /** Guest time. */
  guestNs(): bigint;
  readonly callAfter: CallAfter;
  consoleOutput(bytes: Uint8Array): void;
  shutdown(status: number): void;
}

/** Physical addresses of the two symbols; 0 for one that is not there. They are state, since they go where RAM goes. */
export interface HtifAddresses {
  readonly tohost: number;
  readonly fromhost: number;
}

export interface HtifState extends HtifAddresses {
  /** A half that waits: 0 none, 1 the lower, 2 the upper. */
  readonly half: number;
}

export class Htif {
  private addresses: HtifAddresses = { tohost: 0, fromhost: 0 };
  private half = NONE;
  private deadlineNs = 0n;
  private readonly otherHalf: Deadline;

  constructor(
    private readonly memory: GuestMemory,
    private readonly ports: HtifPorts,
  ) {
    const msLeft = () => Number(this.deadlineNs - ports.guestNs()) / 1e6;
    this.otherHalf = new Deadline(ports.callAfter, msLeft, () => this.serve());
  }

  /** Takes up a program's addresses. Harts that run already do not know of it before they are reloaded. */
  attach({ tohost, fromhost }: HtifAddresses): void {
    const isRam = (address: number) => this.memory.isRam(address, 8) && address % 8 === 0;
    this.addresses = { tohost: isRam(tohost) ? tohost : 0, fromhost: isRam(fromhost) ? fromhost : 0 };
    store64(this.memory, MACHINE + M_TOHOST, BigInt(this.addresses.tohost));
    this.awaitOther(NONE);
  }

  /** True if a write to that address in RAM is for this device. */
  hears(address: number): boolean {
    const { tohost } = this.addresses;
    return tohost !== 0 && address >= tohost && address < tohost + 8;
  }

  /** The program has stored `size` bytes at an address that is heard. */
  noteStore(address: number, size: number): void {
    const isFirst = this.half === NONE && size < 8;
    if (isFirst && this.memory.read64(this.addresses.tohost) !== 0n) {
      this.awaitOther(address < this.addresses.tohost + 4 ? LOWER : UPPER);
    } else {
      this.serve();
    }
  }

  /** The machine stands still. */
  hold(): void {
    this.otherHalf.hold();
  }

  resume(): void {
    this.otherHalf.resume();
  }

  /** Acts on what the program has stored, and clears it, which tells the program that it may store again. */
  private serve(): void {
    if (!this.memory.isComplete) return this.awaitOther(UPPER); // in post-copy: it may point at what is missing, so later
    this.awaitOther(NONE);
    const value = this.memory.read64(this.addresses.tohost);
    if (value === 0n) return;
    this.memory.write64(this.addresses.tohost, 0n);
    const [device, command, payload] = [value >> 56n, (value >> 48n) & 0xffn, value & 0xffff_ffff_ffffn];
    if (device === CONSOLE && command === PUT_CHARACTER) {
      this.ports.consoleOutput(Uint8Array.of(Number(payload & 0xffn)));
    } else if (device === 0n && command === 0n) {
      if (payload & 1n) this.end(payload >> 1n);
      else this.call(Number(payload));
    }
  }

  save(): HtifState {
    return { ...this.addresses, half: this.half };
  }

  /** Throws a RangeError unless the addresses lie in RAM. */
  restore(state: HtifState): void {
    const anywhere = Number.MAX_SAFE_INTEGER;
    checkFields('htif', { ...state }, { tohost: anywhere, fromhost: anywhere, half: UPPER });
    this.attach(state);
    const lost = (['tohost', 'fromhost'] as const).find((name) => this.addresses[name] !== state[name]);
    if (lost) throw new RangeError(`htif state: ${lost} is ${state[lost]}, not the address of a word in RAM`);
    this.awaitOther(state.half);
  }

  private awaitOther(half: number): void {
    this.half = half;
    if (half === NONE) return this.otherHalf.forget();
    this.deadlineNs = this.ports.guestNs() + HALF_NS;
    this.otherHalf.await();
  }

  private end(status: bigint): void {
    this.ports.shutdown(Number(status < MAX_STATUS ? status : MAX_STATUS));
  }

  /** Number and arguments are in the words at `at`; the result goes into the first, and `fromhost` says that it has. */
  private call(at: number): void {
    if (!this.memory.isRam(at, 64)) return;
    const [number, file, address, size] = [0, 8, 16, 24].map((offset) => this.memory.read64(at + offset)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    if (number === SYS_EXIT) return this.end(file);
    const isPrinted = number === SYS_WRITE && file >= 1n && file <= STANDARD_ERROR;
    if (isPrinted) this.print(Number(address), Number(size));
    this.memory.write64(at, isPrinted ? size : BigInt.asUintN(64, -ENOSYS));
    if (this.addresses.fromhost !== 0) this.memory.write64(this.addresses.fromhost, 1n);
  }

  private print(address: number, size: number): void {
    if (!this.memory.isRam(address, size)) return;
    for (let done = 0; done < size; done += CHUNK) {
      this.ports.consoleOutput(this.memory.readBytes(address + done, Math.min(CHUNK, size - done)));
    }
  }
}
