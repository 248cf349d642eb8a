import { Injectable } from '@nestjs/common';
import type { BlockedChoice, MaintenanceReport } from '#contracts';
import { Database, type Vm } from '#database';
import { chooseAnyDestination, type ClusterFacts, emptyHosts, type Limits } from '#planner';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';
import { BadInput } from '../http/problems.js';
import { expectMoves, type Expectation } from './expectation.js';

type HostReport = MaintenanceReport['hosts'][number];

/** Whether hosts can be emptied, before anybody does. Nothing is kept, and nothing moves. */
@Injectable()
export class MaintenanceReports {
  constructor(private readonly db: Database) {}

  of(clusterId: string, hostIds: readonly string[], now: Date): Promise<MaintenanceReport> {
    return this.db.transaction(async (tx) => {
      const cluster = await tx.clusters.get(clusterId);
      const limits = limitsOf(cluster);
      const facts = await tx.facts.ofCluster(clusterId);
      const names = new Map(facts.hosts.map(({ id, name }) => [id, name]));
      for (const [index, id] of hostIds.entries())
        if (!names.has(id))
          throw new BadInput([
            { field: `hostIds.${index}`, message: `${cluster.name} has no such host that enrolled` },
          ]);
      const { moves, blocked } = emptyHosts(facts, hostIds, currentPolicy(cluster), limits, now.getTime());
      const hosts: HostReport[] = [];
      for (const hostId of new Set(hostIds)) {
        const vms = (await tx.vms.onHost(hostId)).filter(({ status }) => status !== 'down');
        const expected = await expectMoves(tx, hostId, vms);
        const fates = vms.map((vm) => {
          const move = moves.find(({ vmId }) => vmId === vm.id);
          const obstacle = blocked.find(({ vmId }) => vmId === vm.id);
          return fateOf(vm, expected.get(vm.id)!, move, obstacle?.reason, names, facts, limits);
        });
        hosts.push({ hostId, hostName: names.get(hostId)!, expectedSeconds: total(fates), vms: fates });
      }
      return {
        isFeasible: blocked.length === 0,
        summary: summaryOf(hosts, blocked.length),
        expectedSeconds: longest(hosts),
        hosts,
      };
    });
  }
}

function fateOf(
  vm: Vm,
  { seconds, downtimeMs, bandwidthMiBps, dirtyRateMiBps }: Expectation,
  move: { readonly destinationHostId: string; readonly reason: string } | undefined,
  obstacle: string | undefined,
  names: ReadonlyMap<string, string>,
  facts: ClusterFacts,
  limits: Limits,
): HostReport['vms'][number] {
  const destinationHostId = move?.destinationHostId ?? null;
  return {
    vmId: vm.id,
    vmName: vm.name,
    memoryMiB: vm.memoryMiB,
    destinationHostId,
    destinationHostName: destinationHostId === null ? null : (names.get(destinationHostId) ?? destinationHostId),
    expectedSeconds: seconds,
    expectedDowntimeMs: downtimeMs,
    bandwidthMiBps,
    dirtyRateMiBps,
    reason: move?.reason ?? obstacle ?? `${vm.name} is ${vm.status}; it is looked at again when the host is emptied`,
    choices: obstacle === undefined ? [] : choicesFor(vm, facts, limits),
  };
}

/** `move_anyway` only where some host would take it. */
function choicesFor(vm: Vm, facts: ClusterFacts, limits: Limits): BlockedChoice[] {
  const canMove = vm.status === 'up' && chooseAnyDestination(facts, vm.id, limits).hostId !== null;
  return ['wait', ...(canMove ? (['move_anyway'] as const) : []), 'stop', 'skip'];
}

/** VMs share their host's link, so their times add up. */
const total = (vms: HostReport['vms']): number | null =>
  vms.reduce<number | null>(
    (sum, { expectedSeconds }) => (sum === null || expectedSeconds === null ? null : sum + expectedSeconds),
    0,
  );

/** Hosts are emptied side by side. */
const longest = (hosts: readonly HostReport[]): number | null =>
  hosts.some(({ expectedSeconds }) => expectedSeconds === null)
    ? null
    : Math.max(0, ...hosts.map(({ expectedSeconds }) => expectedSeconds ?? 0));

function summaryOf(hosts: readonly HostReport[], blocked: number): string {
  const vms = hosts.reduce((sum, host) => sum + host.vms.length, 0);
  const who = hosts.map(({ hostName }) => hostName).join(', ');
  if (vms === 0) return `no VM runs on ${who}; nothing has to move`;
  const seconds = longest(hosts);
  const time = seconds === null ? 'in a time that cannot be told' : `in about ${Math.max(1, Math.round(seconds))} s`;
  if (blocked === 0) return `${vms === 1 ? 'one VM leaves' : `all ${vms} VMs leave`} ${who} ${time}`;
  return `${blocked} of ${vms} VMs cannot leave ${who} as things are`;
}
