/** What is ordered of a host's power, and what becomes of it, as rows; each within the caller's transaction. */
import type { HostStatus, PowerOperation, PowerOperationKind } from '#contracts';
import type { Host, HostPower, Repositories } from '#database';
import { Refused } from '../http/problems.js';

export interface PowerOrder {
  readonly kind: PowerOperationKind;
  readonly reason: string;
  /** What the host becomes when it answers again. */
  readonly statusAfter: PowerOperation['statusAfter'];
  /** Whether a host that does not answer may be cut off, with the VMs that perhaps run there. */
  readonly force?: boolean;
  /** It is lost; see PowerOperation. */
  readonly fences?: boolean;
  /** A policy wants it so, and will wake the host. */
  readonly isParked?: boolean;
}

/** A heartbeat that was under way when the power was cut may come so much later. */
const LATE_HEARTBEAT_MS = 10_000;

/**
 * Begins to switch a host; the power loop goes on. Throws Refused if the host runs VMs, is not in maintenance, or has
 * no power management.
 */
export async function orderPower(tx: Repositories, hostId: string, order: PowerOrder, now: Date): Promise<Host> {
  const host = await tx.hosts.lock(hostId);
  const power = await tx.hostPower.find(hostId);
  const { kind, reason, statusAfter, fences = false, isParked = false } = order;
  if (!power?.management) throw new Refused(`${host.name} has no power management; set one first`);
  if (power.operation)
    throw new Refused(`${host.name} is being switched already (${power.operation.kind}); wait for its end`);
  if (kind === 'on' && host.status !== 'powered_off' && host.status !== 'non_responsive')
    throw new Refused(`${host.name} is ${host.status}; only a host that is off, or does not answer, is switched on`);
  if (kind === 'off' && host.status === 'powered_off') throw new Refused(`${host.name} is off already`);
  await refuseOccupied(tx, host, order);
  const isOff = host.status === 'powered_off';
  const to: HostStatus = kind === 'on' ? 'powering_on' : isOff ? 'powered_off' : 'powering_off';
  const statusReason = reason || `ordered: power ${kind}`;
  const operation: PowerOperation = {
    kind,
    reason,
    statusAfter,
    fences,
    requestedAt: now.toISOString(),
    wakes: kind !== 'off' && (kind !== 'on' || host.status === 'powered_off'),
    attempts: 0,
    error: null,
    notBefore: null,
    switchedOnAt: null,
  };
  await tx.hosts.changeStatus(hostId, to, { statusReason }, now);
  await tx.hostPower.save(hostId, { operation, isParked });
  const text = `${host.name}: power ${kind}${reason ? `, ${reason}` : ''}`;
  await tx.events.add('info', `host.power_${kind}`, text, subjectOf(host), now);
  return tx.hosts.get(hostId);
}

async function refuseOccupied(tx: Repositories, host: Host, { kind, force = false }: PowerOrder): Promise<void> {
  if (kind === 'on') return;
  const { vmCount, migrationCount } = (await tx.hosts.usage([host.id]))(host.id);
  const isOccupied = vmCount > 0 || migrationCount > 0;
  if (host.status === 'non_responsive') {
    if (kind === 'test') throw new Refused(`${host.name} does not answer: a test would prove nothing`);
    if (!force && isOccupied)
      throw new Refused(
        `${host.name} does not answer, and VMs may still run there; if they may be lost, say so (force)`,
      );
    return;
  }
  if (host.status !== 'maintenance' && host.status !== 'powered_off')
    throw new Refused(`${host.name} is ${host.status}; put it into maintenance first`);
  if (isOccupied) throw new Refused(`${host.name} has VMs; wait until they have left`);
}

/** The first heartbeat of a host that was switched on, or that somebody else has switched on; null: nothing changes. */
export async function hostAnswers(
  tx: Repositories,
  host: Host,
  now: Date,
): Promise<{ status: HostStatus; values: Partial<Pick<Host, 'statusReason' | 'maintenanceReason'>> } | null> {
  if (host.status === 'powering_on') {
    const power = await tx.hostPower.find(host.id);
    const { operation } = power ?? {};
    if (!power || !operation?.switchedOnAt) return null; // the agent of before; it is still being switched on
    const seconds = (now.getTime() - host.statusSince.getTime()) / 1000;
    if (operation.wakes) await tx.hostPower.addBoot(host.id, now, seconds);
    const learnt = operation.wakes ? { provenAt: now, bootSeconds: seconds } : {};
    await tx.hostPower.save(host.id, { ...learnt, operation: null, isParked: false, powerSince: now });
    const proof = operation.wakes && !power.provenAt ? '; its wake-up is proven' : '';
    const text = `${host.name} answers ${seconds.toFixed(0)} s after it was switched on${proof}`;
    await tx.events.add('info', 'host.woken', text, subjectOf(host), now);
    const isUp = operation.statusAfter === 'up';
    const values = isUp ? { statusReason: '', maintenanceReason: '' } : { statusReason: host.maintenanceReason };
    return { status: operation.statusAfter, values };
  }
  if (host.status === 'powered_off') {
    const power = await tx.hostPower.find(host.id);
    if (power?.operation || now.getTime() - host.statusSince.getTime() < LATE_HEARTBEAT_MS) return null;
    await tx.hostPower.save(host.id, { isParked: false, powerSince: now });
    const statusReason = 'it was switched off, and somebody has switched it on; activate it to use it';
    await tx.events.add('warning', 'host.answers', `${host.name}: ${statusReason}`, subjectOf(host), now);
    return { status: 'maintenance', values: { statusReason } };
  }
  return null;
}

/** The operation is over without what it was for. */
export async function giveUp(
  tx: Repositories,
  host: Host,
  { operation }: HostPower,
  { to, reason }: { to: HostStatus; reason: string },
  now: Date,
): Promise<void> {
  const expected = operation?.fences ? host.statusBeforeLoss : operation?.statusAfter;
  const statusBeforeLoss = to === 'non_responsive' ? (expected ?? 'maintenance') : null;
  await tx.hosts.changeStatus(host.id, to, { statusReason: reason, statusBeforeLoss }, now);
  // A host that has not done as it was told is left to people.
  await tx.hostPower.save(host.id, { operation: null, isParked: false, provenAt: null });
  await tx.events.add('error', 'host.power_failed', reason, subjectOf(host), now);
}

export const subjectOf = (host: Pick<Host, 'id' | 'clusterId'>) => ({ hostId: host.id, clusterId: host.clusterId });
