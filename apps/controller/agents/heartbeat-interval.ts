/** How often hosts are to send heartbeats, so that many hosts do not take all of the controller's time. */

/** What a heartbeat of a host with 20 VMs takes of a core (docs/benchmarks.md, Heartbeats). */
const COST_MS = 6;
/** Of the one core that the controller has; the rest is for people, policies and migrations. */
const CORE_SHARE = 0.6;
/** So many are sent before a host counts as lost. */
const CHANCES = 3;
const SHORTEST_MS = 1000;

/** In whole seconds: agents look once a second whether one is due. */
export function heartbeatIntervalMs(hosts: number, hostTimeoutMs: number): number {
  const affordableMs = (hosts * COST_MS) / CORE_SHARE;
  const longestMs = Math.floor(hostTimeoutMs / CHANCES / 1000) * 1000;
  return Math.max(SHORTEST_MS, Math.min(longestMs, Math.ceil(affordableMs / 1000) * 1000));
}

/** Which hosts this controller hears of: those are what its heartbeats cost. */
export class Audience {
  private readonly heardAtMs = new Map<string, number>();

  /** @returns how many hosts have been heard within `withinMs`, this one among them. */
  hear(hostId: string, nowMs: number, withinMs: number): number {
    this.heardAtMs.delete(hostId);
    this.heardAtMs.set(hostId, nowMs); // now the last one: the map is in the order of their times
    for (const [id, atMs] of this.heardAtMs) {
      if (nowMs - atMs <= withinMs) break;
      this.heardAtMs.delete(id);
    }
    return this.heardAtMs.size;
  }
}
