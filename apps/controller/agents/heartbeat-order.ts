/** Heartbeats may overtake each other, when an agent did not wait for an answer any longer: only the newest counts. */

/** An agent gives a heartbeat up after 10 s; one that claims to be older than this comes from a clock that was set back. */
const LATEST_MS = 30_000;

/** Whether a heartbeat comes after one that its host sent later; both times are by the host's clock, `newest` from its row. */
export function isOvertaken(sentAt: Date, newest: Date | null): boolean {
  const behindMs = (newest?.getTime() ?? -Infinity) - sentAt.getTime();
  return behindMs > 0 && behindMs <= LATEST_MS;
}
