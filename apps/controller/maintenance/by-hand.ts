/** A host that an administrator deactivates or activates, and the run that goes with it; within the caller's transaction. */
import { randomUUID } from 'node:crypto';
import { MaintenanceProcedure } from '#contracts';
import type { Host, Repositories } from '#database';
import { changePhase } from './maintaining.js';

/** It is emptied and stays so; as every evacuation it has an end, with a reason for each VM. */
const STAYS = MaintenanceProcedure.parse({ activate: false, returnVms: false, maxAttempts: 5 });

/** Where a host is not there for VMs because of its run. */
const OUT_OF_SERVICE = new Set(['evacuating', 'acting', 'checking', 'paused']);

/** The run of a host that is to be emptied; the one that it takes part in goes on. */
export async function followByRun(tx: Repositories, host: Host, reason: string, now: Date): Promise<void> {
  if (await tx.maintenance.activeOfHost(host.id)) return;
  const run = await tx.maintenance.create(
    {
      clusterId: host.clusterId,
      hostId: host.id,
      hostName: host.name,
      ...{ policyId: null, policyName: null, policyVersion: null, trigger: 'manual', reason },
      ...{ rolloutId: randomUUID(), groupNumber: 1, hostsAtOnce: 1 },
      ...{ waitsForWindow: false, windowStartsAt: null, windowEndsAt: null, procedure: STAYS, vms: [] },
    },
    '',
    now,
  );
  await changePhase(tx, run, { to: 'evacuating', reason: 'its VMs leave' }, now);
}

/** A host that is activated by somebody has no run any more that keeps it out of service. */
export async function endRun(tx: Repositories, host: Host, now: Date): Promise<void> {
  const run = await tx.maintenance.activeOfHost(host.id);
  if (run && run.startedAt !== null && OUT_OF_SERVICE.has(run.phase))
    await changePhase(tx, run, { to: 'cancelled', reason: `${host.name} was activated by the administrator` }, now);
}
