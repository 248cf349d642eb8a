/**
 * How a hart's thread asks the main thread for a device access or for the console: it posts into its mailbox, rings
 * M_DOORBELL and sleeps until it is answered. While it sleeps, its write TLB may be asked to be flushed; the caller
 * does that before it goes back into guest code.
 */
import {
  ATTENTION_FLUSH_WRITES,
  H_MAIL_ADDR,
  H_MAIL_SIZE,
  H_MAIL_STATE,
  H_MAIL_VALUE,
  H_MAIL_WRITE,
  H_QUIET,
  H_WAKE,
  MACHINE,
  MAIL_ANSWERED,
  MAIL_CONSOLE_READ,
  MAIL_CONSOLE_WRITE,
  MAIL_FAULT,
  MAIL_FREE,
  MAIL_POSTED,
  MAIL_READ,
  MAIL_TAKEN,
  MAIL_WRITE,
  M_DOORBELL,
} from './layout.js';
import type { GuestMemory } from './memory.js';
import { add32, hartBlock, load32, loadU64, notify, store32, store64, wait, wakeHart } from './shared.js';

const KINDS = {
  read: MAIL_READ,
  write: MAIL_WRITE,
  consoleWrite: MAIL_CONSOLE_WRITE,
  consoleRead: MAIL_CONSOLE_READ,
} as const;

type MailKind = keyof typeof KINDS;

/** `read`, `write`: a device register. `consoleWrite`, `consoleRead`: `size` bytes of RAM at `address` to or from it. */
export interface Mail {
  readonly kind: MailKind;
  readonly address: number;
  readonly size: number;
  readonly value: bigint;
}

/** The answer: a register's content, console bytes done; undefined = nothing is at that address. */
export type MailAnswer = bigint | undefined;

/** Posts a request of this hart and blocks until it is answered. */
export function postMail(memory: GuestMemory, hart: number, mail: Mail): MailAnswer {
  const block = hartBlock(hart);
  store32(memory, block + H_MAIL_WRITE, KINDS[mail.kind]);
  store32(memory, block + H_MAIL_SIZE, mail.size);
  store64(memory, block + H_MAIL_ADDR, BigInt(mail.address));
  store64(memory, block + H_MAIL_VALUE, mail.value);
  store32(memory, block + H_QUIET, ATTENTION_FLUSH_WRITES);
  store32(memory, block + H_MAIL_STATE, MAIL_POSTED);
  add32(memory, MACHINE + M_DOORBELL, 1);
  notify(memory, MACHINE + M_DOORBELL);
  for (;;) {
    const seen = load32(memory, block + H_WAKE);
    const state = load32(memory, block + H_MAIL_STATE);
    if (state !== MAIL_POSTED && state !== MAIL_TAKEN) break;
    wait(memory, block + H_WAKE, seen);
  }
  store32(memory, block + H_QUIET, 0);
  const answered = load32(memory, block + H_MAIL_STATE) === MAIL_ANSWERED;
  store32(memory, block + H_MAIL_STATE, MAIL_FREE);
  return answered ? loadU64(memory, block + H_MAIL_VALUE) : undefined;
}

/** The main thread's side: takes every request that has been posted; one may be answered later. */
export function serveMail(memory: GuestMemory, answer: (mail: Mail) => MailAnswer | Promise<MailAnswer>): void {
  for (let hart = 0; hart < memory.harts; hart++) {
    const block = hartBlock(hart);
    if (load32(memory, block + H_MAIL_STATE) !== MAIL_POSTED) continue;
    const asked = load32(memory, block + H_MAIL_WRITE);
    const answered = answer({
      kind: (Object.keys(KINDS) as MailKind[]).find((kind) => KINDS[kind] === asked)!,
      address: Number(loadU64(memory, block + H_MAIL_ADDR)),
      size: load32(memory, block + H_MAIL_SIZE),
      value: loadU64(memory, block + H_MAIL_VALUE),
    });
    if (!(answered instanceof Promise)) {
      reply(memory, hart, answered);
      continue;
    }
    store32(memory, block + H_MAIL_STATE, MAIL_TAKEN);
    void answered.then((value) => reply(memory, hart, value));
  }
}

function reply(memory: GuestMemory, hart: number, value: MailAnswer): void {
  const block = hartBlock(hart);
  if (value !== undefined) store64(memory, block + H_MAIL_VALUE, value);
  store32(memory, block + H_MAIL_STATE, value === undefined ? MAIL_FAULT : MAIL_ANSWERED);
  wakeHart(memory, hart);
}
