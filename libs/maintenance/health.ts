/** What the controller finds out about a host's health by hearing from it. */
import type { HealthCheck } from '#contracts';

/** Clocks of a cluster that differ by more confuse certificates and logs. */
const SKEW_WARNING_SECONDS = 2;
const SKEW_FAILED_SECONDS = 60;

/** How far the host's clock is from the controller's; the time on the way is in it. */
export function clockCheck(sentAt: Date, receivedAt: Date): HealthCheck {
  const seconds = Math.abs(sentAt.getTime() - receivedAt.getTime()) / 1000;
  const state = seconds >= SKEW_FAILED_SECONDS ? 'failed' : seconds >= SKEW_WARNING_SECONDS ? 'warning' : 'ok';
  const reason =
    state === 'ok'
      ? "its clock agrees with the controller's"
      : `its clock is ${seconds.toFixed(0)} s ${sentAt < receivedAt ? 'behind' : 'ahead of'} the controller's; see to its NTP`;
  return { kind: 'clock', subject: '', state, value: Math.round(seconds * 10) / 10, reason };
}

/** Whether its agent is older than the controller. */
export function agentVersionCheck(agent: string, controller: string): HealthCheck {
  const isBehind = compareVersions(agent, controller) < 0;
  return {
    kind: 'agent_version',
    subject: '',
    state: isBehind ? 'warning' : 'ok',
    value: null,
    reason: isBehind
      ? `its agent is ${agent}, the controller is ${controller}; upgrade the agent`
      : `its agent is ${agent}`,
  };
}

/** By numbers between dots; what follows a dash is left out. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('-')[0]!.split('.').map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference) return difference;
  }
  return 0;
}
