/** Which hosts to put into maintenance and switch off, and which to wake: the second half of power_saving. */
import type { HostStatus, SchedulingPolicy } from '#contracts';
import type { HostAction, Refusal } from './answers.js';
import type { ClusterState } from './cluster-state.js';
import type { HostState } from './host-state.js';
import type { ClusterFacts, VmFacts } from './facts.js';
import { wattsPerCore } from './score.js';
import { count } from './words.js';

export type PowerSaving = Extract<SchedulingPolicy, { name: 'power_saving' }>;

const MINUTE_MS = 60_000;

/**
 * Empty hosts but HostsInReserve go into maintenance, hosts in maintenance are switched off; as long as what is left
 * carries the load that is expected, and the VMs of failing hosts. Hosts are woken for VMs that find no room, for
 * HostsInReserve, and for load that is expected by the time they are up.
 *
 * @param homeless VMs that no host that is up has room for.
 */
export function hostActionsFor(
  state: ClusterState,
  facts: ClusterFacts,
  { parameters }: PowerSaving,
  homeless: readonly VmFacts[],
  nowMs: number,
): { hostActions: HostAction[]; refusals: Refusal[] } {
  if (!parameters.EnableAutomaticHostPowerManagement) return { hostActions: [], refusals: [] };
  const { HighUtilization, HostsInReserve, MinimumOnMinutes, MinimumOffMinutes } = parameters;
  const hostActions: HostAction[] = [];
  const refusals: Refusal[] = [];
  // A VM that is to leave later is there yet, though no migration is under way.
  const isEmpty = (host: HostState) => host.residents.size === 0 && host.migrations === 0 && host.vms.length === 0;
  const hasBeen = (host: HostState, minutes: number) => nowMs - host.facts.power!.sinceMs >= minutes * MINUTE_MS;
  const isComing = (host: HostState) => host.facts.status === 'powering_on';

  const used = state.hostsUp.reduce((sum, host) => sum + host.expectedCores, 0);
  const expected = Math.max(used, facts.forecastCores ?? 0);
  const enough = (hosts: readonly HostState[], cores: number) => roomOf(hosts) * (HighUtilization / 100) >= cores;

  // Wake: one host at a time for each reason, so that what is coming is not ordered twice.
  const coming = state.hosts.filter(isComing);
  const asleep = state.hosts
    .filter(({ facts: { power, status } }) => power?.isParked && (status === 'maintenance' || status === 'powered_off'))
    .toSorted((a, b) => readiness(a) - readiness(b) || wattsPerCore(a) - wattsPerCore(b) || a.index - b.index);
  const empty = state.hostsUp.filter(isEmpty);
  const wanted = () =>
    homelessCores(homeless) > roomOf([...coming, ...empty])
      ? `no host that is up has room for ${count(homeless.length, 'VM')} of over-utilized hosts`
      : empty.length + coming.length < HostsInReserve
        ? `${count(HostsInReserve, 'empty host')} shall be in reserve`
        : !enough([...state.hostsUp, ...coming], expected)
          ? 'more load is expected than the hosts that are up can carry'
          : !state.reservation.holds() && coming.length === 0
            ? 'the VMs of failing hosts would find no memory'
            : null;
  for (let reason = wanted(); reason !== null && asleep.length > 0; reason = wanted()) {
    const host = asleep.shift()!;
    const isOff = host.facts.status === 'powered_off';
    if (isOff && !hasBeen(host, MinimumOffMinutes)) continue;
    coming.push(host);
    hostActions.push({
      hostId: host.id,
      action: isOff ? 'power_on' : 'activate',
      reason,
      savedWatts: -idleWatts(host),
    });
  }
  const isWoken = new Set(coming);
  // Whoever does not answer may be lost: then its VMs start elsewhere, and not after a boot.
  const lost = state.hosts.find(({ facts: { status }, vms }) => status === 'non_responsive' && vms.length > 0);
  if (lost) {
    const reason = `hosts stay on: VMs of ${lost.name}, which does not answer, may need them`;
    return { hostActions, refusals: [...refusals, { vmId: null, hostId: lost.id, reason }] };
  }

  const gone = new Set<HostState>();
  const expectedOff = Math.max(expected, facts.forecastOffCores ?? 0);
  for (const host of empty.toSorted((a, b) => wattsPerCore(b) - wattsPerCore(a) || b.index - a.index)) {
    if (empty.length + coming.filter(isComing).length - gone.size <= HostsInReserve || coming.length > 0) break;
    const { power } = host.facts;
    const kept =
      !power || power.wakeUp !== 'proven' ? 'its wake-up has not been proven; test its power management' : null;
    if (kept) {
      refusals.push({ vmId: null, hostId: host.id, reason: `${host.name} is empty but stays on: ${kept}` });
      continue;
    }
    const without = new Set([...gone, host]);
    const others = state.hostsUp.filter((other) => !without.has(other));
    if (!hasBeen(host, MinimumOnMinutes) || !enough(others, expectedOff)) continue;
    if (!state.reservation.allowsWithout(without)) continue;
    gone.add(host);
    const reason = `${host.name} is empty, and the others carry what is expected`;
    hostActions.push({ hostId: host.id, action: 'deactivate', reason, savedWatts: 0 });
  }
  for (const host of state.hosts) {
    const { power, status } = host.facts;
    if (status !== 'maintenance' || !power?.isParked || isWoken.has(host) || power.wakeUp !== 'proven') continue;
    if (!isEmpty(host)) continue; // a migration that was under way may still arrive
    const reason = `${host.name} is in maintenance to save power`;
    hostActions.push({ hostId: host.id, action: 'power_off', reason, savedWatts: idleWatts(host) });
  }
  return { hostActions, refusals };
}

/** Seconds until it can take VMs. */
const readiness = ({ facts: { status, power } }: HostState): number =>
  status === 'maintenance' ? 0 : (power?.bootSeconds ?? Infinity);

const idleWatts = ({ facts: { power } }: HostState): number => power?.wattsAt?.[0] ?? 0;

const homelessCores = (vms: readonly VmFacts[]): number => vms.reduce((sum, vm) => sum + vm.cpuUsedCores, 0);

const roomOf = (hosts: readonly HostState[]): number => hosts.reduce((sum, host) => sum + host.facts.cpuCores, 0);

/** A host that something is to be done with, as it is at that moment. */
export interface ActedOn {
  readonly status: HostStatus;
  readonly isParked: boolean;
  /** Nothing runs there, or is on its way there or away. */
  readonly isEmpty: boolean;
}

/** Whether the action still makes sense: the host may have gone another way since the plan was made. */
export function isStillDue(action: HostAction['action'], { status, isParked, isEmpty }: ActedOn): boolean {
  switch (action) {
    case 'deactivate':
      return status === 'up' && isEmpty;
    case 'activate':
      return status === 'maintenance' && isParked;
    case 'power_off':
      return status === 'maintenance' && isParked && isEmpty;
    case 'power_on':
      return status === 'powered_off' && isParked;
  }
}
