/** What guests say of themselves, through their agents: asked now and then, beside everything else. */
import type { GuestReport } from '#contracts';
import { AgentCommandError, reachableAddresses, type GuestAgent } from '#hypervisor';

const ASK_AGAIN_MS = 10_000;
/** A guest whose agent is silent, although its port is open, is asked less often. */
const AFTER_SILENCE_MS = 30_000;

/** What a Linux kernel calls itself before it is given a name. */
const UNNAMED = '(none)';

interface Watched {
  readonly agent: GuestAgent;
  report: GuestReport | null;
  askAtMs: number;
  isAsking: boolean;
}

export class GuestWatch {
  private readonly watched = new Map<string, Watched>();

  /** `log`: why a guest could not be asked. */
  constructor(private readonly log: (vmId: string, reason: string) => void) {}

  /** What is known of a VM's guest; null if it has no agent, or has not answered yet. Never waits. */
  report(vmId: string, agent: GuestAgent | null, nowMs: number): GuestReport | null {
    if (!agent) {
      this.watched.delete(vmId);
      return null;
    }
    let guest = this.watched.get(vmId);
    if (guest?.agent !== agent) {
      guest = { agent, report: null, askAtMs: nowMs, isAsking: false };
      this.watched.set(vmId, guest);
    }
    if (!guest.isAsking && nowMs >= guest.askAtMs) void this.ask(vmId, guest, nowMs);
    return guest.report;
  }

  private async ask(vmId: string, guest: Watched, nowMs: number): Promise<void> {
    guest.isAsking = true;
    try {
      const hostName = await unlessRefused(guest.agent.hostName());
      const interfaces = await unlessRefused(guest.agent.interfaces());
      guest.report = {
        hostName: hostName === UNNAMED ? null : hostName,
        ipAddresses: reachableAddresses(interfaces ?? []),
      };
      guest.askAtMs = nowMs + ASK_AGAIN_MS;
    } catch (error) {
      this.log(vmId, (error as Error).message);
      guest.askAtMs = nowMs + AFTER_SILENCE_MS;
    } finally {
      guest.isAsking = false;
    }
  }
}

/** A guest may forbid its agent some of the questions. */
async function unlessRefused<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AgentCommandError) return null;
    throw error;
  }
}
