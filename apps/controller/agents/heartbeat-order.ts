/** Heartbeats may overtake each other, when an agent did not wait for an answer any longer: only the newest counts. */

/** An agent gives a heartbeat up after 10 s; one that claims to be older than this comes from a clock that was set back. */
const LATEST_MS = 30_000;

export class HeartbeatOrder {
  /** By host: when the newest was sent, by the host's clock. */
  private readonly newest = new Map<string, number>();

  /** False if a newer heartbeat of that host has been accepted; else it is the newest one from now on. */
  accept(hostId: string, sentAtMs: number): boolean {
    const aheadMs = (this.newest.get(hostId) ?? -Infinity) - sentAtMs;
    if (aheadMs > 0 && aheadMs <= LATEST_MS) return false;
    this.newest.set(hostId, sentAtMs);
    return true;
  }
}
