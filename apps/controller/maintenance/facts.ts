/** What decisions about a cluster's maintenance rest on, from rows. */
import type { Cluster, Host, MaintenancePolicy, MaintenanceRun, Repositories } from '#database';
import { followVms, type HostFacts, type MaintenanceFacts, type PolicyFacts, type RunFacts } from '#maintenance';
import { currentPolicy } from '../clusters/current-policy.js';
import { limitsOf } from '../clusters/limits.js';

const DAY_MS = 86_400_000;
/** A window is open for a week at the most; longer quiet times look further back. */
const LEAST_HISTORY_MS = 8 * DAY_MS;
/** The longest time over which failed migrations are counted. */
const FAILURES_MS = 7 * DAY_MS;

/** Null if nothing is to be decided: the cluster has neither policies nor runs. */
export async function maintenanceFacts(
  tx: Repositories,
  cluster: Cluster,
  now: Date,
  decidingSince: Date,
): Promise<{ readonly facts: MaintenanceFacts; readonly runs: readonly MaintenanceRun[] } | null> {
  const policies = await tx.maintenancePolicies.enabledOf(cluster.id);
  const active = await tx.maintenance.activeOf(cluster.id);
  if (policies.length === 0 && active.length === 0) return null;
  const runs = await tx.maintenance.ofRollouts([...new Set(active.map(({ rolloutId }) => rolloutId))]);
  for (const run of runs) if (run.endedAt === null) await follow(tx, run);
  const quietMs = Math.max(0, ...policies.map(({ definition }) => definition.quietMinutes * 60_000));
  const historySince = new Date(now.getTime() - Math.max(LEAST_HISTORY_MS, quietMs));
  const failures = await tx.maintenance.failedMigrations(cluster.id, new Date(now.getTime() - FAILURES_MS));
  const powerSince = new Map((await tx.hostPower.all()).map((power) => [power.hostId, power.powerSince.getTime()]));
  const facts = {
    policies: policies.map(policyFacts),
    hosts: (await tx.hosts.ofCluster(cluster.id)).map((host) =>
      hostFacts(host, failures.get(host.id) ?? [], powerSince.get(host.id)),
    ),
    runs: runs.map(runFacts),
    history: await tx.maintenance.historyOf(cluster.id, historySince),
    cluster: await tx.facts.ofCluster(cluster.id),
    schedulingPolicy: currentPolicy(cluster),
    limits: limitsOf(cluster),
    decidingSinceMs: decidingSince.getTime(),
  };
  return { facts, runs };
}

/** Brings what the run knows of its VMs up to date. */
async function follow(tx: Repositories, run: MaintenanceRun): Promise<void> {
  if (run.startedAt === null) return;
  const known = run.vms.map(({ vmId }) => vmId);
  const here = await tx.vms.onHost(run.hostId);
  const others = await tx.vms.byIds(known.filter((id) => !here.some((vm) => vm.id === id)));
  const rows = [...here, ...others];
  const moves = await tx.maintenance.movesSince(
    rows.map(({ id }) => id),
    run.startedAt,
  );
  const vms = followVms(run.vms, run.phase, run.hostId, rows, moves);
  if (JSON.stringify(vms) !== JSON.stringify(run.vms)) await tx.maintenance.update(run.id, { vms });
  run.vms = vms;
}

export const policyFacts = ({ id, name, definition }: MaintenancePolicy): PolicyFacts => ({ id, name, ...definition });

export const hostFacts = (
  host: Host,
  failedMigrationsMs: readonly number[],
  powerSinceMs: number | null = null,
): HostFacts => ({
  id: host.id,
  name: host.name,
  labels: host.labels,
  status: host.status,
  lastHeartbeatMs: host.lastHeartbeatAt?.getTime() ?? null,
  health: host.health,
  healthAtMs: host.healthAt?.getTime() ?? null,
  powerSinceMs,
  statusReason: host.statusReason,
  failedMigrationsMs,
});

const runFacts = (run: MaintenanceRun): RunFacts => ({
  ...run,
  group: run.groupNumber,
  phaseSinceMs: run.phaseSince.getTime(),
  heldSinceMs: run.heldSince?.getTime() ?? null,
  windowEndsMs: run.windowEndsAt?.getTime() ?? null,
  startedMs: run.startedAt?.getTime() ?? null,
});
