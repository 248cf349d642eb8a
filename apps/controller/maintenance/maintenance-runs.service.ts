import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  type BlockedChoice,
  type CreateMaintenanceRuns,
  type MaintenancePhase,
  MaintenanceProcedure,
  type RequestMaintenance,
} from '#contracts';
import { Database, type Host, type MaintenanceRun, type Repositories } from '#database';
import { hasEndedMaintenance, IllegalTransition } from '#lifecycle';
import { inGroups, inScope, newVm } from '#maintenance';
import { BadInput, Refused } from '../http/problems.js';
import { hostFacts } from './facts.js';
import { changePhase } from './maintaining.js';

type Choices = readonly { readonly vmId: string; readonly choice: BlockedChoice }[];

/** What people and other systems do about maintenance; the loop carries it out. */
@Injectable()
export class MaintenanceRunsService {
  constructor(private readonly db: Database) {}

  /** Begins a rollout by hand: hosts by name or label, in groups. Throws Refused for one that takes part in another. */
  create(order: CreateMaintenanceRuns, now: Date): Promise<MaintenanceRun[]> {
    const { clusterId, hostIds, hostLabels, reason, hostsAtOnce, choices, ...procedure } = order;
    return this.db.transaction(async (tx) => {
      await tx.clusters.lockDecisions((await tx.clusters.get(clusterId)).id);
      const hosts = await tx.hosts.ofCluster(clusterId);
      for (const [index, id] of hostIds.entries())
        if (!hosts.some((host) => host.id === id))
          throw new BadInput([{ field: `hostIds.${index}`, message: `${id} is not in this cluster; take it out` }]);
      const chosen = hosts.filter((host) => inScope({ hostIds, hostLabels }, hostFacts(host, [])));
      const wanted = hostIds.length > 0 ? chosen : chosen.filter(({ status }) => status === 'up');
      if (wanted.length === 0)
        throw new BadInput([{ field: 'hostLabels', message: 'no host that is up has one of these; name others' }]);
      for (const host of wanted) await refuseIfBusy(tx, host);
      const rolloutId = randomUUID();
      const groups = inGroups(
        wanted.map((host) => ({ hostId: host.id, hostName: host.name, reason })),
        hostsAtOnce,
      );
      const runs: MaintenanceRun[] = [];
      for (const { hostId, hostName, group } of groups) {
        const vms = await chosenVms(tx, hostId, [], choices);
        const values = { ...BY_HAND, clusterId, hostId, hostName, reason, rolloutId, hostsAtOnce, procedure, vms };
        runs.push(await tx.maintenance.create({ ...values, groupNumber: group }, 'waits for its turn', now));
        const text = `${hostName} is to go into maintenance: ${reason}`;
        await tx.events.add('info', 'maintenance.due', text, { clusterId, hostId }, now);
      }
      return runs;
    });
  }

  /** By another system. Refused unless a policy of the cluster that covers the host takes requests. */
  request(hostId: string, { source, reason }: RequestMaintenance, now: Date): Promise<MaintenanceRun> {
    return this.db.transaction(async (tx) => {
      const { clusterId } = await tx.hosts.get(hostId);
      await tx.clusters.lockDecisions(clusterId);
      const host = await tx.hosts.get(hostId);
      const policies = await tx.maintenancePolicies.enabledOf(clusterId);
      const found = policies.flatMap((policy) => {
        const trigger = policy.definition.triggers.find(({ kind }) => kind === 'request');
        return trigger?.kind === 'request' && inScope(policy.definition, hostFacts(host, []))
          ? [{ policy, trigger }]
          : [];
      })[0];
      if (!found)
        throw new Refused(`no maintenance policy lets others ask for ${host.name}; make one with the trigger request`);
      await refuseIfBusy(tx, host);
      const { policy, trigger } = found;
      const { windows, hostsAtOnce } = policy.definition;
      const values = {
        ...BY_HAND,
        clusterId,
        hostId,
        hostName: host.name,
        policyId: policy.id,
        policyName: policy.name,
        policyVersion: policy.version,
        trigger: 'request' as const,
        reason: `${source}: ${reason}`,
        rolloutId: randomUUID(),
        groupNumber: 1,
        hostsAtOnce,
        waitsForWindow: trigger.when === 'in_window' && windows.length > 0,
        procedure: MaintenanceProcedure.parse(policy.definition),
        vms: [],
      };
      const text = `${source} asks for maintenance of ${host.name}: ${reason}`;
      await tx.events.add('info', 'maintenance.due', text, { clusterId, hostId }, now);
      return tx.maintenance.create(values, 'waits for its turn', now);
    });
  }

  /** Nothing leaves the host any more; what is on its way arrives. Throws IllegalTransition once it acts. */
  pause(id: string, now: Date): Promise<MaintenanceRun> {
    return this.withRun(id, (tx, run) =>
      changePhase(tx, run, { to: 'paused', reason: 'paused by the administrator' }, now),
    );
  }

  resume(id: string, now: Date): Promise<MaintenanceRun> {
    return this.withRun(id, async (tx, run) => {
      if (run.phase !== 'paused') throw new IllegalTransition(`maintenance of ${run.hostName}`, run.phase, 'resumed');
      const to = run.phaseBeforePause ?? 'waiting';
      await changePhase(tx, run, { to, reason: 'resumed by the administrator' }, now);
    });
  }

  /** The host goes back to work; its VMs come back if they are to. */
  cancel(id: string, returnVms: boolean, now: Date): Promise<MaintenanceRun> {
    return this.withRun(id, async (tx, run) => {
      if (hasEndedMaintenance(run.phase))
        throw new IllegalTransition(`maintenance of ${run.hostName}`, run.phase, 'cancelled');
      const began = run.startedAt !== null;
      const gone = run.vms.some(({ state }) => ['left', 'leaving', 'stopped', 'coming_back'].includes(state));
      const to: MaintenancePhase = began && gone && returnVms ? 'returning' : 'cancelled';
      const reason = 'cancelled by the administrator';
      if (to === 'cancelled' || run.phase === 'returning')
        return changePhase(tx, run, { to: 'cancelled', reason, ...(began && { host: 'activate' as const }) }, now);
      await changePhase(tx, run, { to, reason, host: 'activate', endsAs: 'cancelled' }, now);
    });
  }

  /** What is to become of VMs that cannot leave. */
  choose(id: string, choices: Choices): Promise<MaintenanceRun> {
    return this.withRun(id, async (tx, run) => {
      if (hasEndedMaintenance(run.phase))
        throw new Refused(`the maintenance of ${run.hostName} has ended; nothing is left to choose`);
      await tx.maintenance.update(run.id, { vms: await chosenVms(tx, run.hostId, run.vms, choices) });
    });
  }

  /** Under the cluster's lock, as the loop decides. */
  private withRun(id: string, work: (tx: Repositories, run: MaintenanceRun) => Promise<void>): Promise<MaintenanceRun> {
    return this.db.transaction(async (tx) => {
      const { clusterId, hostId } = await tx.maintenance.get(id);
      await tx.clusters.lockDecisions(clusterId);
      await tx.hosts.lockAll([hostId]);
      await work(tx, await tx.maintenance.lock(id));
      return tx.maintenance.get(id);
    });
  }
}

const BY_HAND = {
  policyId: null,
  policyName: null,
  policyVersion: null,
  trigger: 'manual' as const,
  waitsForWindow: false,
  windowStartsAt: null,
  windowEndsAt: null,
};

async function refuseIfBusy(tx: Repositories, host: Host): Promise<void> {
  const run = await tx.maintenance.activeOfHost(host.id);
  if (run) throw new Refused(`${host.name} takes part in maintenance already (${run.phase}); wait for it or cancel it`);
  if (host.status !== 'up') throw new Refused(`${host.name} is ${host.status}; only a host that is up can be emptied`);
}

/** The run's VMs with what is chosen for them; a VM that it does not know yet is looked up. */
async function chosenVms(tx: Repositories, hostId: string, known: MaintenanceRun['vms'], choices: Choices) {
  const here = await tx.vms.onHost(hostId);
  const missing = here.filter(
    ({ id }) => choices.some(({ vmId }) => vmId === id) && !known.some(({ vmId }) => vmId === id),
  );
  const chosenFor = new Map(choices.map(({ vmId, choice }) => [vmId, choice]));
  return [...known, ...missing.map(newVm)].map((vm) => ({ ...vm, choice: chosenFor.get(vm.vmId) ?? vm.choice }));
}
