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
  /** Of the cluster's hosts that should answer, this one among them; those that were fenced of late count as silent. */
  readonly silentHosts: number;
  readonly hosts: number;
  /** Hosts of the cluster whose power is being cut now. */
  readonly beingFenced: number;
  /** Since it was fenced the last time; null: never. */
  readonly fencedAgoMs: number | null;
}

/** So long it is remembered that a host was fenced. */
export const FENCED_OF_LATE_MS = 3_600_000;

/** `skip`: not as things are, and people should know why. */
export type FenceDecision =
  | { readonly action: 'none' | 'wait' | 'skip'; readonly reason: string }
  /** `restarts`: it is switched on again when it is off. */
  | { readonly action: 'fence'; readonly reason: string; readonly restarts: boolean };

export function decideFence(host: LostHost, policy: FencingPolicy): FenceDecision {
  const { hostName, silentMs, silentHosts, hosts } = host;
  if (!policy.enabled || host.status !== 'non_responsive' || host.isSwitched) return { action: 'none', reason: '' };
  const skip = (why: string): FenceDecision => ({ action: 'skip', reason: `it is not fenced: ${why}` });
  if (!host.hasManagement) return skip('it has no power management; set one, or see by yourself that it is off');
  if (silentMs < policy.graceSeconds * 1000)
    return { action: 'wait', reason: `it is fenced after ${policy.graceSeconds} s of silence` };
  if (100 * silentHosts > policy.skipIfSilentPercent * hosts)
    return skip(`${silentHosts} of ${hosts} hosts are silent, so it is rather the network`);
  if (host.beingFenced >= policy.hostsAtOnce)
    return { action: 'wait', reason: `it is fenced when ${host.beingFenced} that are being fenced are off` };
  if (host.agentAnswers) return skip('its agent answers when it is called; only its heartbeats are lost');
  const seconds = Math.round(silentMs / 1000);
  const isAgain = host.fencedAgoMs !== null && host.fencedAgoMs < FENCED_OF_LATE_MS;
  const why = `${hostName} has been silent for ${seconds} s, and its agent does not answer`;
  if (policy.restart && isAgain)
    return {
      action: 'fence',
      restarts: false,
      reason: `${why}; it stays off, since it was fenced within the last hour`,
    };
  return { action: 'fence', restarts: policy.restart, reason: why };
}
