/** Runs a scenario from beginning to end. */
import { whatIf } from '#planner';
import type { HostDescription, VmDescription } from './cluster.js';
import { Controller, type ControllerSettings } from './controller.js';
import { type ScenarioFiles, loadScenario } from './load-scenario.js';
import { type Metrics, metricsOf } from './metrics.js';
import { type Scenario, ScenarioError } from './scenario.js';
import { Simulation } from './simulation.js';

/** Figures after each step; the first are those of the beginning. */
export interface Series {
  readonly watts: number[];
  readonly hostsOn: number[];
  /** CPU in use, in percent of the hosts that are on. */
  readonly cpuPercent: number[];
  /** Hosts that cannot give all VMs what they ask for. */
  readonly hostsOverloaded: number[];
  /** 0-100, as the planner has it. */
  readonly imbalance: number[];
  /** Migrations begun within the step. */
  readonly migrations: number[];
  /** Of the host whose VMs wait most for its CPUs, percent of time. */
  readonly highestPressure: number[];
}

/** Of migrations that have arrived. */
export interface MigrationFigures {
  readonly meanSeconds: number;
  readonly longestSeconds: number;
  /** Null: migrations are as in CloudSim, which knows no pauses. */
  readonly longestDowntimeMs: number | null;
  readonly sentGiB: number;
  /** How often each means was applied to guests that wrote too fast. */
  readonly means: Readonly<Record<string, number>>;
}

/** What became of a host's maintenance. */
export interface MaintenanceOutcome {
  readonly host: string;
  readonly policy: string | null;
  readonly phase: string;
  readonly reason: string;
  /** Hours from the beginning; null: it has not ended. */
  readonly endedHours: number | null;
}

export interface SimulationResult {
  readonly name: string;
  readonly policy: Scenario['policy'];
  readonly seed: number;
  readonly hours: number;
  readonly stepSeconds: number;
  readonly hosts: number;
  readonly vms: number;
  readonly metrics: Metrics & { readonly meanImbalance: number; readonly highestImbalance: number };
  readonly migrationFigures: MigrationFigures;
  readonly maintenance: readonly MaintenanceOutcome[];
  /** Why VMs and hosts are left as they are, by the last plan. */
  readonly refusals: readonly string[];
  readonly series: Series;
}

/** @throws ScenarioError if the scenario's files do not give what it needs, or a VM has room nowhere. */
export function simulate(scenario: Scenario, files: ScenarioFiles): SimulationResult {
  const { affinityGroups, maintenance, ...content } = loadScenario(scenario, files);
  const settings = { ...scenario, affinityGroups, maintenance };
  const placement = placeAll(content.hosts, content.vms, settings);
  return runScenario(new Simulation({ ...content, placement }), new Controller(settings), settings);
}

type RunSettings = Pick<Scenario, 'name' | 'policy' | 'seed' | 'hours' | 'stepSeconds' | 'policyIntervalSeconds'>;

/** Runs a cluster that has been set up already. `onStep` is called after each step, before anything is decided. */
export function runScenario(
  simulation: Simulation,
  controller: Controller,
  settings: RunSettings,
  onStep: () => void = () => {},
): SimulationResult {
  const { name, policy, seed, hours, stepSeconds, policyIntervalSeconds } = settings;
  const series: Series = {
    ...{ watts: [], hostsOn: [], cpuPercent: [], hostsOverloaded: [], imbalance: [] },
    ...{ migrations: [], highestPressure: [] },
  };
  let migrationsBefore = 0;
  const record = () => {
    const on = simulation.hosts.filter((host) => host.power !== 'off');
    const sum = (of: (host: (typeof on)[number]) => number) => on.reduce((total, host) => total + of(host), 0);
    series.watts.push(simulation.hosts.reduce((total, host) => total + host.watts, 0));
    series.hostsOn.push(on.length);
    series.cpuPercent.push(
      on.length === 0
        ? 0
        : (100 * sum((host) => host.utilization * host.capacityMips)) / sum((host) => host.capacityMips),
    );
    series.hostsOverloaded.push(on.filter((host) => host.isOverloaded).length);
    series.imbalance.push(controller.imbalanceOf(simulation));
    series.highestPressure.push(on.reduce((most, host) => Math.max(most, host.cpuPressurePercent), 0));
    series.migrations.push(simulation.migrationsStarted - migrationsBefore);
    migrationsBefore = simulation.migrationsStarted;
  };
  record();
  const times = { untilS: hours * 3600, stepS: stepSeconds, decideEveryS: policyIntervalSeconds };
  simulation.run(controller, times, () => {
    onStep();
    record();
  });
  const meanImbalance = series.imbalance.reduce((sum, value) => sum + value, 0) / series.imbalance.length;
  const highestImbalance = series.imbalance.reduce((highest, value) => Math.max(highest, value), 0);
  return {
    name,
    policy,
    seed,
    hours,
    stepSeconds,
    hosts: simulation.hosts.length,
    vms: simulation.vms.length,
    metrics: { ...metricsOf(simulation), meanImbalance, highestImbalance },
    migrationFigures: migrationFiguresOf(simulation),
    maintenance: controller.memory.runs.map(({ hostId, policyId, phase, phaseReason, endedMs }) => ({
      host: hostId,
      policy: policyId,
      phase,
      reason: phaseReason,
      endedHours: endedMs === null ? null : endedMs / 3_600_000,
    })),
    refusals: [...new Set(controller.memory.refusals.map(({ reason }) => reason))],
    series,
  };
}

function migrationFiguresOf({ migrationFigures }: Simulation): MigrationFigures {
  const { seconds, downtimesMs, sentMiB, means } = migrationFigures;
  const sum = seconds.reduce((total, each) => total + each, 0);
  const highest = (values: readonly number[]) => values.reduce((most, each) => Math.max(most, each), 0);
  return {
    meanSeconds: seconds.length === 0 ? 0 : sum / seconds.length,
    longestSeconds: highest(seconds),
    longestDowntimeMs: downtimesMs.length === 0 ? null : highest(downtimesMs),
    sentGiB: sentMiB / 1024,
    means,
  };
}

type PlacementSettings = ControllerSettings & Pick<Scenario, 'placement'>;

function placeAll(
  hosts: readonly HostDescription[],
  vms: readonly VmDescription[],
  settings: PlacementSettings,
): Map<string, string> {
  return settings.placement === 'planner' ? placeByPlanner(hosts, vms, settings) : placeFirstFit(hosts, vms, settings);
}

const noRoom = (name: string, why: string) =>
  new ScenarioError(`vms: ${name} has room on no host: ${why}; add hosts or raise memoryOvercommit`);

/** One VM after the other is started, as the controller would. */
function placeByPlanner(
  hosts: readonly HostDescription[],
  vms: readonly VmDescription[],
  settings: ControllerSettings,
): Map<string, string> {
  const empty = new Simulation({ hosts, vms: [], placement: new Map() });
  const newVms = vms.map(({ id, name, vcpus, memoryMiB, labels = [] }) => ({
    id,
    name,
    vcpus,
    memoryMiB,
    labels: [...labels],
  }));
  const question = { policy: settings.policy, withoutHostIds: [], newVms };
  const { placements } = whatIf(new Controller(settings).factsOf(empty), question, settings, 0);
  return new Map(
    placements.map(({ vm, choice }) => {
      if (choice.hostId === null) throw noRoom(vm.name, choice.reason);
      return [vm.id, choice.hostId];
    }),
  );
}

function placeFirstFit(
  hosts: readonly HostDescription[],
  vms: readonly VmDescription[],
  { memoryOvercommit }: ControllerSettings,
): Map<string, string> {
  const freeMiB = hosts.map((host) => host.memoryMiB * memoryOvercommit);
  return new Map(
    vms.map((vm) => {
      const index = freeMiB.findIndex((free) => free >= vm.memoryMiB);
      if (index < 0) throw noRoom(vm.name, `it needs ${vm.memoryMiB} MiB`);
      freeMiB[index]! -= vm.memoryMiB;
      return [vm.id, hosts[index]!.id];
    }),
  );
}
