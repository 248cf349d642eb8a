/** What a plan says about hosts, carried out: into maintenance and out of it, off and on. */
import type { Host, Repositories } from '#database';
import { type HostAction, isStillDue } from '#planner';
import { orderPower, subjectOf } from './operations.js';

/** Within the plan's transaction. What has changed since the plan was made is left for the next one. */
export async function beginHostActions(
  tx: Repositories,
  actions: readonly HostAction[],
  now: Date,
): Promise<HostAction[]> {
  const begun: HostAction[] = [];
  for (const action of actions) if (await begin(tx, action, now)) begun.push(action);
  return begun;
}

async function begin(tx: Repositories, { hostId, action, reason }: HostAction, now: Date): Promise<boolean> {
  const host = await tx.hosts.lock(hostId);
  const power = await tx.hostPower.find(hostId);
  if (!power?.management || power.operation) return false;
  const { status } = host;
  const { isParked } = power;
  if (!isStillDue(action, { status, isParked, isEmpty: await isEmpty(tx, host) })) return false;
  switch (action) {
    case 'deactivate':
      return park(tx, host, reason, now);
    case 'activate':
      return unpark(tx, host, reason, now);
    case 'power_off':
    case 'power_on': {
      const kind = action === 'power_on' ? 'on' : 'off';
      await orderPower(tx, hostId, { kind, reason, statusAfter: 'up', isParked: true }, now);
      return true;
    }
  }
}

async function park(tx: Repositories, host: Host, reason: string, now: Date): Promise<boolean> {
  const why = { maintenanceReason: reason, statusReason: reason };
  await tx.hosts.changeStatus(host.id, 'preparing_for_maintenance', why, now);
  await tx.hostPower.save(host.id, { isParked: true });
  const text = `${host.name} goes into maintenance to save power: ${reason}`;
  await tx.events.add('info', 'host.preparing_for_maintenance', text, subjectOf(host), now);
  return true;
}

async function unpark(tx: Repositories, host: Host, reason: string, now: Date): Promise<boolean> {
  await tx.hosts.changeStatus(host.id, 'up', { maintenanceReason: '', statusReason: '' }, now);
  await tx.hostPower.unpark(host.id);
  const text = `${host.name} may run VMs again: ${reason}`;
  await tx.events.add('info', 'host.up', text, subjectOf(host), now);
  return true;
}

async function isEmpty(tx: Repositories, host: Host): Promise<boolean> {
  const { vmCount, migrationCount } = (await tx.hosts.usage([host.id]))(host.id);
  return vmCount === 0 && migrationCount === 0;
}
