/** Whether a host that is lost is to be fenced. Pure. */
import type { FencingPolicy, HostStatus } from '#contracts';

export interface LostHost {
  readonly hostName: string;
  readonly status: HostStatus;
  /** Since nobody has heard of it, though somebody listened. */
  readonly silentMs: number;
  /** Something can cut its power. */
  readonly hasManagement: boolean;
  /** Its power is being switched already. */
  readonly isSwitched: boolean;
  /** Its agent answers when it is called: only its heartbeats are lost. */
  readonly agentAnswers: boolean;
  /** Of the cluster's hosts that should answer, this one among them. */
  readonly silentHosts: number;
  readonly hosts: number;
}

/** `skip`: not as things are, and people should know why. */
export type FenceDecision = { readonly action: 'none' | 'wait' | 'skip' | 'fence'; readonly reason: string };

export function decideFence(host: LostHost, policy: FencingPolicy): FenceDecision {
  const { hostName, silentMs, silentHosts, hosts } = host;
  if (!policy.enabled || host.status !== 'non_responsive' || host.isSwitched) return { action: 'none', reason: '' };
  const skip = (why: string): FenceDecision => ({ action: 'skip', reason: `it is not fenced: ${why}` });
  if (!host.hasManagement) return skip('it has no power management; set one, or see by yourself that it is off');
  if (silentMs < policy.graceSeconds * 1000)
    return { action: 'wait', reason: `it is fenced after ${policy.graceSeconds} s of silence` };
  if (100 * silentHosts > policy.skipIfSilentPercent * hosts)
    return skip(`${silentHosts} of ${hosts} hosts are silent, so it is rather the network`);
  if (host.agentAnswers) return skip('its agent answers when it is called; only its heartbeats are lost');
  const seconds = Math.round(silentMs / 1000);
  return { action: 'fence', reason: `${hostName} has been silent for ${seconds} s, and its agent does not answer` };
}
