/** From a scenario and the files it names to hosts and VMs. */
import type { AffinityGroup } from '#contracts';
import type { HostDescription, VmDescription } from './cluster.js';
import type { CopyingPolicy } from './copying.js';
import type { MaintenancePolicy } from './maintain.js';
import { dice, normal } from './random.js';
import { type Load, type Scenario, ScenarioError } from './scenario.js';
import { known, namesOf, rulesOf } from './rules.js';
import type { HostFailure } from './simulation.js';
import { type Trace, constantTrace, parseCsvTraces, parsePlanetLabTrace } from './trace.js';

/** How a scenario's files are reached; paths are as the scenario has them. Whatever these throw is passed on. */
export interface ScenarioFiles {
  read(path: string): string;
  /** Names of the files in a folder. */
  list(folder: string): readonly string[];
}

export interface ScenarioContent {
  readonly hosts: readonly HostDescription[];
  readonly vms: readonly VmDescription[];
  readonly failures: readonly HostFailure[];
  readonly affinityGroups: readonly AffinityGroup[];
  readonly maintenance: readonly MaintenancePolicy[];
  readonly migrationPolicy: CopyingPolicy | null;
}

/** @throws ScenarioError that names the field. */
export function loadScenario(scenario: Scenario, files: ScenarioFiles): ScenarioContent {
  const traces = new TraceSource(scenario, files);
  const hosts = scenario.hosts.flatMap(({ name, count, watts, ...group }) =>
    namesOf(name, count).map((member): HostDescription => ({ id: member, name: member, powerCurve: watts, ...group })),
  );
  const vms = scenario.vms.flatMap(({ name, count, cpu, memory, network, dirtyMiBps, hotMiB, ...group }, index) =>
    namesOf(name, count).map((member, position): VmDescription => {
      const trace = (load: Load, field: string) =>
        traces.get(load, position, `${member} ${field}`, `vms[${index}].${field}`);
      return {
        id: member,
        name: member,
        ...group,
        cpu: trace(cpu, 'cpu'),
        memory: memory === undefined ? null : trace(memory, 'memory'),
        network: network === undefined ? null : trace(network, 'network'),
        ...(dirtyMiBps !== undefined && { dirtyMiBps }),
        ...(hotMiB !== undefined && { hotMiB }),
      };
    }),
  );
  refuseTwice(hosts, 'hosts');
  refuseTwice(vms, 'vms');
  const failures = scenario.failures.map(({ host, atMinutes, forMinutes = Infinity }, index) => {
    if (!hosts.some(({ id }) => id === host))
      throw new ScenarioError(`failures[${index}].host: there is no host ${host}; ${known(scenario.hosts)}`);
    return { hostId: host, atS: atMinutes * 60, forS: forMinutes * 60 };
  });
  return { hosts, vms, failures, ...rulesOf(scenario, hosts, vms) };
}

function refuseTwice(things: readonly { readonly id: string }[], field: string): void {
  const seen = new Set<string>();
  for (const { id } of things) {
    if (seen.has(id)) throw new ScenarioError(`${field}: two are called ${id}; give their groups different names`);
    seen.add(id);
  }
}

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

/** Reads each file once. */
class TraceSource {
  readonly #csv = new Map<string, readonly Trace[]>();
  readonly #folders = new Map<string, readonly string[]>();

  constructor(
    private readonly scenario: Scenario,
    private readonly files: ScenarioFiles,
  ) {}

  get(load: Load, position: number, key: string, field: string): Trace {
    if (typeof load === 'number') return constantTrace(load);
    if ('mean' in load) return this.#madeUp(load, key);
    return 'csv' in load
      ? this.#nth(this.#columns(load.csv, field), load.from + position, `${field}.csv: ${load.csv}`, 'columns')
      : this.#file(load.planetlab, load.from + position, field);
  }

  #columns(path: string, field: string): readonly Trace[] {
    let columns = this.#csv.get(path);
    if (!columns) {
      columns = naming(`${field}.csv: ${path}`, () => [
        ...parseCsvTraces(this.files.read(path), this.scenario.stepSeconds).values(),
      ]);
      this.#csv.set(path, columns);
    }
    return columns;
  }

  #file(folder: string, index: number, field: string): Trace {
    const names = this.#folders.get(folder) ?? this.files.list(folder).toSorted();
    this.#folders.set(folder, names);
    const path = `${folder}/${this.#nth(names, index, `${field}.planetlab: ${folder}`, 'files')}`;
    return naming(`${field}.planetlab: ${path}`, () =>
      parsePlanetLabTrace(this.files.read(path), this.scenario.stepSeconds),
    );
  }

  #nth<T>(items: readonly T[], index: number, where: string, what: string): T {
    const item = items[index];
    if (item === undefined) throw new ScenarioError(`${where} has ${items.length} ${what}; ${index + 1} are needed`);
    return item;
  }

  /** Chance is an autoregressive process that forgets within about an hour. */
  #madeUp(load: { mean: number; dailySwing: number; deviation: number }, key: string): Trace {
    const { seed, hours, stepSeconds } = this.scenario;
    const random = dice(seed + hashOf(key));
    const keep = Math.exp(-stepSeconds / HOUR_S);
    const fresh = Math.sqrt(1 - keep ** 2);
    let chance = normal(random);
    const percent = new Float32Array(Math.ceil((hours * HOUR_S) / stepSeconds) + 1);
    for (const step of percent.keys()) {
      const byDay = Math.sin((2 * Math.PI * (step * stepSeconds - 6 * HOUR_S)) / DAY_S); // highest at noon
      percent[step] = Math.min(100, Math.max(0, load.mean + load.dailySwing * byDay + load.deviation * chance));
      chance = keep * chance + fresh * normal(random);
    }
    return { stepSeconds, percent };
  }
}

/** FNV-1a. */
const hashOf = (text: string): number =>
  [...text].reduce((hash, character) => Math.imul(hash ^ character.codePointAt(0)!, 16_777_619) >>> 0, 2_166_136_261);

function naming<T>(where: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ScenarioError(`${where}: ${error.message}`);
  }
}
