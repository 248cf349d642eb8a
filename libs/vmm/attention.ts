/**
 * Asking harts for attention, from any thread, over the shared memory alone. A requester sets the bits, draws a ticket
 * from H_REQUEST and waits until H_ACK has reached it, or until the hart is quiet: such a hart runs no guest code, and
 * will serve the bits in its H_QUIET before it runs any, so what was asked for is as good as done.
 */
import { ATTENTION_FENCE, ATTENTION_FLUSH_WRITES, H_ACK, H_ATTENTION, H_QUIET, H_REQUEST } from './layout.js';
import { add32, exchange32, hartBlock, load32, notify, or32, store32, wait, wakeHart, type Shared } from './shared.js';

/** Upper bound on sleeping through a hart that falls quiet at the wrong moment, and on not serving one's own requests. */
const RECHECK_MS = 1;

/** Sets attention bits of a hart and wakes it for those that cannot wait; does not wait itself. Returns the ticket. */
export function requestAttention(shared: Shared, hart: number, bits: number): number {
  const block = hartBlock(hart);
  or32(shared, block + H_ATTENTION, bits); // before the ticket: whoever sees the ticket sees the bits
  const ticket = (add32(shared, block + H_REQUEST, 1) + 1) | 0;
  if (bits & ~(ATTENTION_FLUSH_WRITES | ATTENTION_FENCE)) wakeHart(shared, hart); // a quiet hart may flush later
  return ticket;
}

/** True once what was asked for with this ticket can no longer be outrun by guest code of that hart. */
function isServed(shared: Shared, hart: number, ticket: number, bits: number): boolean {
  const block = hartBlock(hart);
  const acknowledged = ((load32(shared, block + H_ACK) - ticket) | 0) >= 0;
  return acknowledged || (load32(shared, block + H_QUIET) & bits) === bits;
}

/**
 * Sets the bits on all `harts` and blocks until each has served them or is quiet. `meanwhile` runs between two looks: a
 * hart's own thread serves its own attention there, or two harts that ask each other would wait for ever.
 */
export function demandAttention(shared: Shared, harts: readonly number[], bits: number, meanwhile?: () => void): void {
  const tickets = harts.map((hart) => ({ hart, ticket: requestAttention(shared, hart, bits) }));
  for (const { hart, ticket } of tickets) {
    const at = hartBlock(hart) + H_ACK;
    for (;;) {
      const seen = load32(shared, at);
      if (isServed(shared, hart, ticket, bits)) break;
      meanwhile?.();
      wait(shared, at, seen, RECHECK_MS);
    }
  }
}

/**
 * The hart's side, called before each slice: takes its attention bits, lets `serve` act on them and acknowledges every
 * ticket drawn so far, also one drawn after its bits were taken by the last call.
 */
export function serveAttention(shared: Shared, hart: number, serve: (bits: number) => void): void {
  const block = hartBlock(hart);
  const ticket = load32(shared, block + H_REQUEST);
  const bits = load32(shared, block + H_ATTENTION) === 0 ? 0 : exchange32(shared, block + H_ATTENTION, 0);
  if (bits !== 0) serve(bits);
  if (load32(shared, block + H_ACK) === ticket) return;
  store32(shared, block + H_ACK, ticket);
  notify(shared, block + H_ACK);
}
