/** A host's way out of service and back, as rows; each within the caller's transaction. */
import type { Host, Repositories } from '#database';
import { IllegalTransition } from '#lifecycle';

/** The policy loop empties the host and then puts it into maintenance. Throws IllegalTransition. */
export async function deactivateHost(tx: Repositories, id: string, reason: string, now: Date): Promise<Host> {
  const { name, status } = await tx.hosts.lock(id);
  if (status === 'maintenance') throw new IllegalTransition(`host ${name}`, status, 'preparing_for_maintenance');
  const change = { maintenanceReason: reason, statusReason: reason };
  const host = await tx.hosts.changeStatus(id, 'preparing_for_maintenance', change, now);
  await tx.hostPower.unpark(id);
  const text = `${name} is to be emptied: ${reason}`;
  await tx.events.add('info', 'host.preparing_for_maintenance', text, subjectOf(host), now);
  return host;
}

/** It may run VMs again. Throws IllegalTransition. */
export async function activateHost(tx: Repositories, id: string, now: Date): Promise<Host> {
  const { name, status } = await tx.hosts.lock(id);
  // Only its heartbeat brings a host back that does not answer or is switched on, and only enrolment a new one.
  if (status !== 'up' && status !== 'preparing_for_maintenance' && status !== 'maintenance')
    throw new IllegalTransition(`host ${name}`, status, 'up');
  const host = await tx.hosts.changeStatus(id, 'up', { maintenanceReason: '', statusReason: '' }, now);
  await tx.hostPower.unpark(id);
  await tx.events.add('info', 'host.up', `${name} may run VMs again`, subjectOf(host), now);
  return host;
}

export const subjectOf = (host: Host) => ({ hostId: host.id, clusterId: host.clusterId });
