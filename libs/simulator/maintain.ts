/** Maintenance of a simulated cluster: the decisions of libs/maintenance, and what becomes of them. */
import type { HostHealth } from '#contracts';
import { hasEndedMaintenance } from '#lifecycle';
import {
  type HostFacts,
  type MaintenanceFacts,
  type MaintenanceStep,
  type PolicyFacts,
  type RunFacts,
  type VmMoves,
  type VmRow,
  decideMaintenance,
  followVms,
  newVm,
} from '#maintenance';
import type { SimulatedHost } from './cluster.js';
import { statusOf } from './facts.js';
import type { Memory, MigrationRow, RunRow } from './memory.js';
import type { Decision, Order } from './decision.js';
import type { Simulation } from './simulation.js';

export interface MaintenancePolicy extends PolicyFacts {
  readonly procedure: RunFacts['procedure'];
  /** How long the action takes at a host; a power cycle takes as long as it boots. */
  readonly actionMinutes: number;
}

type Asked = Pick<MaintenanceFacts, 'cluster' | 'schedulingPolicy' | 'limits' | 'decidingSinceMs'>;
type Step<A extends MaintenanceStep['action']> = Extract<MaintenanceStep, { action: A }>;

/** Runs that have ended are remembered for so long. */
const HISTORY_MS = 8 * 86_400_000;

/** One turn: what is kept afterwards, and what is to be done. */
export function maintain(
  simulation: Simulation,
  memory: Memory,
  policies: readonly MaintenancePolicy[],
  asked: Asked,
): { readonly memory: Memory; readonly decision: Decision } {
  const nowMs = simulation.nowS * 1000;
  const followed = memory.runs.map((run) => follow(run, simulation, memory));
  const open = new Set(followed.filter(({ endedMs }) => endedMs === null).map(({ rolloutId }) => rolloutId));
  const facts: MaintenanceFacts = {
    ...asked,
    policies,
    hosts: simulation.hosts.map((host) => hostFacts(host, memory, nowMs)),
    runs: followed.filter(({ rolloutId }) => open.has(rolloutId)).map((run) => withCommand(run, nowMs)),
    history: followed,
  };
  const performing = new Performing(simulation, { ...memory, runs: followed }, policies);
  for (const step of decideMaintenance(facts, nowMs)) performing.perform(step);
  return performing.end();
}

/** Brings what the run knows of its VMs up to date. */
function follow(run: RunRow, simulation: Simulation, { migrations, failedMigrations }: Memory): RunRow {
  if (run.endedMs !== null || run.startedMs === null) return run;
  const migrating = new Set(migrations.map(({ vmId }) => vmId));
  const known = new Set(run.vms.map(({ vmId }) => vmId));
  const rows = simulation.vms
    .filter(({ description: { id }, host }) => known.has(id) || host.description.id === run.hostId)
    .map((vm) => rowOf(vm, migrating));
  const moves = new Map<string, VmMoves>();
  for (const { vmId, trigger, atMs } of failedMigrations) {
    if (atMs < run.startedMs || trigger !== 'maintenance') continue;
    const failed = (moves.get(vmId)?.failed ?? 0) + 1;
    moves.set(vmId, { failed, lastError: 'the migration has failed', byPeople: false });
  }
  return { ...run, vms: followVms(run.vms, run.phase, run.hostId, rows, moves) };
}

const rowOf = (vm: Simulation['vms'][number], migrating: ReadonlySet<string>): VmRow => ({
  id: vm.description.id,
  name: vm.description.name,
  memoryMiB: vm.description.memoryMiB,
  status: vm.isDown ? 'down' : migrating.has(vm.description.id) ? 'migrating' : 'up',
  statusReason: '',
  hostId: vm.host.description.id,
});

/** What the host tells of the action that it carries out. */
const withCommand = (run: RunRow, nowMs: number): RunRow =>
  run.command?.status === 'running' && run.actionEndsMs !== null && nowMs >= run.actionEndsMs
    ? { ...run, command: { status: 'succeeded', exitCode: 0, output: '' } }
    : run;

function hostFacts(host: SimulatedHost, { healthAtMs, failedMigrations }: Memory, nowMs: number): HostFacts {
  const { id, name, labels = [] } = host.description;
  const status = statusOf(host);
  return {
    id,
    name,
    labels,
    status,
    lastHeartbeatMs: host.power === 'on' ? nowMs : null,
    health: healthAtMs[id] === undefined ? null : HEALTHY,
    healthAtMs: healthAtMs[id] ?? null,
    powerSinceMs: host.powerSinceS * 1000,
    statusReason: '',
    failedMigrationsMs: failedMigrations
      .filter(({ sourceHostId, destinationHostId }) => sourceHostId === id || destinationHostId === id)
      .map(({ atMs }) => atMs),
  };
}

/** Hosts of a simulation fail, or are well. */
const HEALTHY: HostHealth = { at: new Date(0).toISOString(), checks: [] };

/** The one place where decisions become effects, as rows and orders. */
class Performing {
  readonly #runs: Map<string, RunRow>;
  readonly #migrations: MigrationRow[];
  readonly #healthAtMs: Record<string, number>;
  readonly #moves: Order[] = [];
  readonly #hostActions: Decision['hostActions'][number][] = [];
  readonly #vmActions: NonNullable<Decision['vmActions']>[number][] = [];
  readonly #nowMs: number;
  #lastId: number;

  constructor(
    private readonly simulation: Simulation,
    private readonly memory: Memory,
    private readonly policies: readonly MaintenancePolicy[],
  ) {
    this.#nowMs = simulation.nowS * 1000;
    this.#runs = new Map(memory.runs.map((run) => [run.id, run]));
    this.#migrations = [...memory.migrations];
    this.#healthAtMs = { ...memory.healthAtMs };
    this.#lastId = memory.lastId;
  }

  perform(step: MaintenanceStep): void {
    if (step.action === 'begin') return this.#begin(step);
    const run = this.#runs.get(step.runId)!;
    const change = (values: Partial<RunRow>) => void this.#runs.set(run.id, { ...this.#runs.get(run.id)!, ...values });
    const mark = (vmId: string, values: Pick<RunRow['vms'][number], 'state' | 'reason'>) =>
      change({ vms: this.#runs.get(run.id)!.vms.map((vm) => (vm.vmId === vmId ? { ...vm, ...values } : vm)) });
    switch (step.action) {
      case 'change_phase':
        return change(this.#phaseOf(run, step));
      case 'note':
        return change({
          phaseReason: step.reason,
          heldSinceMs: step.isHeld ? (run.heldSinceMs ?? this.#nowMs) : null,
        });
      case 'move_vm':
        this.#move(step);
        if (step.destinationHostId === run.hostId) mark(step.vmId, { state: 'coming_back', reason: step.reason });
        return;
      case 'stop_vm':
        this.#vmActions.push({ vmId: step.vmId, action: 'stop', hostId: run.hostId });
        return mark(step.vmId, { state: 'stopped', reason: step.reason });
      case 'start_vm':
        this.#vmActions.push({ vmId: step.vmId, action: 'start', hostId: run.hostId });
        return mark(step.vmId, { state: 'coming_back', reason: step.reason });
      case 'leave_vm':
        return mark(step.vmId, { state: 'stayed', reason: step.reason });
      case 'act':
        return this.#act(run, change);
      case 'look':
        this.#healthAtMs[run.hostId] = this.#nowMs;
    }
  }

  end(): { memory: Memory; decision: Decision } {
    const runs = [...this.#runs.values()].filter(
      ({ endedMs }) => endedMs === null || this.#nowMs - endedMs < HISTORY_MS,
    );
    return {
      memory: {
        ...this.memory,
        runs,
        migrations: this.#migrations,
        healthAtMs: this.#healthAtMs,
        lastId: this.#lastId,
      },
      decision: { moves: this.#moves, hostActions: this.#hostActions, vmActions: this.#vmActions },
    };
  }

  #begin({ policyId, trigger, windowStartsMs, windowEndsMs, waitsForWindow, hosts }: Step<'begin'>): void {
    const { hostsAtOnce, procedure } = this.policies.find(({ id }) => id === policyId)!;
    const rolloutId = this.#nextId('rollout');
    for (const { hostId, group } of hosts) {
      const id = this.#nextId('run');
      this.#runs.set(id, {
        ...{ id, policyId, hostId, rolloutId, group, hostsAtOnce, trigger, procedure },
        ...{ windowStartsMs, windowEndsMs, waitsForWindow },
        phase: 'waiting',
        phaseSinceMs: this.#nowMs,
        phaseReason: 'waits for its turn',
        heldSinceMs: null,
        vms: [],
        startedMs: null,
        endedMs: null,
        command: null,
        actionEndsMs: null,
        endsAs: 'done',
      });
    }
  }

  /** Host and run in one moment. */
  #phaseOf(run: RunRow, { to, reason, host, endsAs }: Step<'change_phase'>): Partial<RunRow> {
    const { hostId } = run;
    const status = statusOf(this.simulation.host(hostId));
    const isOut = status === 'maintenance' || status === 'preparing_for_maintenance';
    if (host === 'deactivate' || (host === 'activate' && isOut)) this.#hostActions.push({ hostId, action: host });
    const begins = to === 'evacuating' && run.startedMs === null;
    const migrating = new Set(this.#migrations.map(({ vmId }) => vmId));
    const here = this.simulation.vms
      .filter((vm) => !vm.isDown && vm.host.description.id === hostId)
      .map((vm) => rowOf(vm, migrating));
    return {
      phase: to,
      phaseReason: reason,
      phaseSinceMs: this.#nowMs,
      heldSinceMs: null,
      ...(begins && { startedMs: this.#nowMs, vms: here.map(newVm) }),
      ...(endsAs && { endsAs }),
      ...(hasEndedMaintenance(to) && { endedMs: this.#nowMs }),
    };
  }

  #move({ vmId, destinationHostId }: Step<'move_vm'>): void {
    const vm = this.simulation.vm(vmId);
    if (vm.isDown || this.#migrations.some((row) => row.vmId === vmId)) return;
    const id = this.#nextId('migration');
    const sourceHostId = vm.host.description.id;
    this.#migrations.push({ id, vmId, sourceHostId, destinationHostId, trigger: 'maintenance' });
    this.#moves.push({ migrationId: id, vmId, destinationHostId });
  }

  #act(run: RunRow, change: (values: Partial<RunRow>) => void): void {
    const command = { status: 'running' as const, exitCode: null, output: '' };
    if (run.procedure.action.kind === 'power_cycle') {
      this.#hostActions.push({ hostId: run.hostId, action: 'power_cycle' });
      return change({ command });
    }
    const { actionMinutes } = this.policies.find(({ id }) => id === run.policyId)!;
    change({ command, actionEndsMs: this.#nowMs + actionMinutes * 60_000 });
  }

  #nextId(what: string): string {
    return `${what} ${++this.#lastId}`;
  }
}
