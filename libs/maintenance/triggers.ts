/** Which hosts are due for maintenance, and why. */
import type { HealthState, MaintenanceTrigger } from '#contracts';
import type { DueHost, HostFacts, MaintenanceFacts, MaintenanceStep, PastRun, PolicyFacts, RunFacts } from './facts.js';
import { nextWindow, openWindow } from './windows.js';
import { hasEndedMaintenance } from '#lifecycle';

const SEVERITY: Record<HealthState, number> = { ok: 0, warning: 1, failed: 2 };

type StandingTrigger = Exclude<MaintenanceTrigger, { kind: 'window' }>;

/** Hosts that the policy is about: those named or labelled, or all of the cluster. */
export const inScope = (
  { hostIds, hostLabels }: Pick<PolicyFacts, 'hostIds' | 'hostLabels'>,
  host: HostFacts,
): boolean =>
  (hostIds.length === 0 && hostLabels.length === 0) ||
  hostIds.includes(host.id) ||
  host.labels.some((label) => hostLabels.includes(label));

/**
 * What the policy wants to begin now. Only hosts that are up and take part in no run are due; a window empties each of
 * its hosts once, any other trigger leaves a host alone for the policy's quiet time.
 */
export function dueRollouts(policy: PolicyFacts, facts: MaintenanceFacts, nowMs: number): MaintenanceStep[] {
  const busy = new Set(facts.runs.filter(({ phase }) => !hasEndedMaintenance(phase)).map(({ hostId }) => hostId));
  const candidates = facts.hosts
    .filter((host) => host.status === 'up' && inScope(policy, host) && !busy.has(host.id))
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const taken = new Set<string>();
  return policy.triggers.flatMap((trigger): MaintenanceStep[] => {
    const free = candidates.filter(({ id }) => !taken.has(id));
    const step =
      trigger.kind === 'window'
        ? ofWindow(policy, free, facts.history, nowMs)
        : ofStandingTrigger(policy, trigger, free, facts.history, nowMs);
    if (!step || step.action !== 'begin') return [];
    for (const { hostId } of step.hosts) taken.add(hostId);
    return [step];
  });
}

function ofWindow(
  policy: PolicyFacts,
  candidates: readonly HostFacts[],
  history: readonly PastRun[],
  nowMs: number,
): MaintenanceStep | null {
  const open = openWindow(policy.windows, nowMs);
  if (!open) return null;
  const done = new Set(
    history
      .filter(({ policyId, windowStartsMs }) => policyId === policy.id && windowStartsMs === open.startsMs)
      .map(({ hostId }) => hostId),
  );
  const reason = `window of ${policy.name}, open until ${timeOf(open.endsMs)}`;
  const due = candidates.filter(({ id }) => !done.has(id)).map((host) => ({ host, reason }));
  return begin(policy, 'window', due, { startsMs: open.startsMs, endsMs: open.endsMs, waits: true });
}

function ofStandingTrigger(
  policy: PolicyFacts,
  trigger: StandingTrigger,
  candidates: readonly HostFacts[],
  history: readonly PastRun[],
  nowMs: number,
): MaintenanceStep | null {
  const due = candidates.flatMap((host) => {
    const reason = whyDue(trigger, host, nowMs);
    return reason !== null && !isQuiet(policy, trigger, host, history, nowMs) ? [{ host, reason }] : [];
  });
  const waits = trigger.when === 'in_window' && policy.windows.length > 0;
  return begin(policy, trigger.kind, due, { startsMs: null, endsMs: null, waits });
}

function begin(
  policy: PolicyFacts,
  trigger: MaintenanceTrigger['kind'],
  due: readonly { readonly host: HostFacts; readonly reason: string }[],
  window: { readonly startsMs: number | null; readonly endsMs: number | null; readonly waits: boolean },
): MaintenanceStep | null {
  if (due.length === 0) return null;
  return {
    action: 'begin',
    policyId: policy.id,
    trigger,
    windowStartsMs: window.startsMs,
    windowEndsMs: window.endsMs,
    waitsForWindow: window.waits,
    hosts: inGroups(
      due.map(({ host, reason }) => ({ hostId: host.id, hostName: host.name, reason })),
      policy.hostsAtOnce,
    ),
  };
}

/** The hosts in the order given, so many to a group. */
export const inGroups = (hosts: readonly Omit<DueHost, 'group'>[], hostsAtOnce: number): DueHost[] =>
  hosts.map((host, index) => ({ ...host, group: Math.floor(index / hostsAtOnce) + 1 }));

/** Why the trigger wants the host in maintenance; null if it does not. Requests come by themselves. */
export function whyDue(trigger: StandingTrigger, host: HostFacts, nowMs: number): string | null {
  switch (trigger.kind) {
    case 'health': {
      const found = (host.health?.checks ?? []).filter(
        ({ kind, state }) => trigger.checks.includes(kind) && SEVERITY[state] >= SEVERITY[trigger.atLeast],
      );
      return found.length === 0 ? null : found.map(({ reason }) => reason).join('; ');
    }
    case 'migration_failures': {
      const sinceMs = nowMs - trigger.withinMinutes * 60_000;
      const failures = host.failedMigrationsMs.filter((atMs) => atMs > sinceMs).length;
      if (failures < trigger.count) return null;
      return `${failures} migrations from or to ${host.name} have failed within ${trigger.withinMinutes} minutes`;
    }
    case 'request':
      return null;
  }
}

/** Whether what brought a waiting run about is still so. What people and other systems want is. */
export function stillWanted(run: RunFacts, policy: PolicyFacts | undefined, host: HostFacts, nowMs: number): boolean {
  if (run.trigger !== 'health' || !policy) return true;
  return policy.triggers.some((trigger) => trigger.kind === 'health' && whyDue(trigger, host, nowMs) !== null);
}

function isQuiet(
  policy: PolicyFacts,
  trigger: StandingTrigger,
  host: HostFacts,
  history: readonly PastRun[],
  nowMs: number,
): boolean {
  return history.some(
    (run) =>
      run.policyId === policy.id &&
      run.hostId === host.id &&
      run.trigger === trigger.kind &&
      run.endedMs !== null &&
      nowMs - run.endedMs < policy.quietMinutes * 60_000,
  );
}

/** When a run that has to begin in a window of this policy may begin, in words. */
export function whenItMayBegin({ windows, name }: PolicyFacts, nowMs: number): string {
  const next = nextWindow(windows, nowMs);
  return next ? `waits for the window of ${name} at ${timeOf(next.startsMs)}` : `${name} has no window any more`;
}

/** Such as 2026-11-21 02:00 UTC. */
export const timeOf = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
