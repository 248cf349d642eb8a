/** The rules of a scenario, with names found: affinity groups, maintenance, how migrations are carried out. */
import type { AffinityGroup } from '#contracts';
import { PRESETS } from '#convergence';
import { windowFault } from '#maintenance';
import { conflictsOf } from '#planner';
import type { HostDescription, VmDescription } from './cluster.js';
import type { CopyingPolicy } from './copying.js';
import type { MaintenancePolicy } from './maintain.js';
import { type Scenario, ScenarioError } from './scenario.js';

export interface Rules {
  readonly affinityGroups: readonly AffinityGroup[];
  readonly maintenance: readonly MaintenancePolicy[];
  /** Null: as CloudSim has it. */
  readonly migrationPolicy: CopyingPolicy | null;
}

/** @throws ScenarioError that names the field, for names that are nobody's and rules that cannot hold together. */
export function rulesOf(scenario: Scenario, hosts: readonly HostDescription[], vms: readonly VmDescription[]): Rules {
  const affinityGroups = scenario.affinityGroups.map(
    ({ vms: vmNames, hosts: hostNames, ...group }, index): AffinityGroup => {
      const field = `affinityGroups[${index}]`;
      return {
        id: group.name,
        description: '',
        ...group,
        vmIds: membersOf(vmNames, scenario.vms, `${field}.vms`, 'VM'),
        hostIds: membersOf(hostNames, scenario.hosts, `${field}.hosts`, 'host'),
      };
    },
  );
  refuseConflicts(affinityGroups, hosts, vms);
  const preset = PRESETS.find(({ name }) => name === scenario.migrationPolicy);
  return {
    affinityGroups,
    maintenance: scenario.maintenance.map((policy, index) => maintenanceOf(policy, scenario, `maintenance[${index}]`)),
    migrationPolicy: preset ?? null,
  };
}

function maintenanceOf(
  {
    name,
    hosts,
    hostLabels,
    windows,
    triggers,
    hostsAtOnce,
    quietMinutes,
    actionMinutes,
    ...procedure
  }: Scenario['maintenance'][number],
  scenario: Scenario,
  field: string,
): MaintenancePolicy {
  for (const [index, window] of windows.entries()) {
    const fault = windowFault(window);
    if (fault) throw new ScenarioError(`${field}.windows[${index}].${fault.field}: ${fault.message}`);
  }
  if (windows.length === 0 && triggers.some(({ kind }) => kind === 'window'))
    throw new ScenarioError(
      `${field}.windows: the trigger "window" needs one, such as { cron: "0 2 * * *", durationMinutes: 120 }`,
    );
  const hostIds = membersOf(hosts, scenario.hosts, `${field}.hosts`, 'host');
  return {
    id: name,
    name,
    hostIds,
    hostLabels,
    windows,
    triggers,
    hostsAtOnce,
    quietMinutes,
    actionMinutes,
    procedure,
  };
}

interface Group {
  readonly name: string;
  readonly count: number;
}

/** Ids of those that are named, by themselves or by their group. */
function membersOf(names: readonly string[], groups: readonly Group[], field: string, what: string): string[] {
  return names.flatMap((name, index) => {
    const group = groups.find((each) => each.name === name);
    if (group) return namesOf(group.name, group.count);
    if (groups.some((each) => namesOf(each.name, each.count).includes(name))) return [name];
    throw new ScenarioError(`${field}[${index}]: there is no ${what} ${name}; ${known(groups)}`);
  });
}

/** `web`, or `web-1` to `web-20`. */
export const namesOf = (name: string, count: number): string[] =>
  count === 1 ? [name] : Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);

/** What may be said instead. */
export const known = (groups: readonly Group[]): string =>
  `there are ${groups.map(({ name, count }) => (count === 1 ? name : `${name}-1 to ${name}-${count}`)).join(', ')}`;

function refuseConflicts(
  groups: readonly AffinityGroup[],
  hosts: readonly HostDescription[],
  vms: readonly VmDescription[],
): void {
  const labelled = ({ id, name, labels = [] }: HostDescription | VmDescription) => ({ id, name, labels });
  const [conflict] = conflictsOf(groups, vms.map(labelled), hosts.map(labelled));
  if (!conflict) return;
  const index = groups.findIndex(({ id }) => conflict.groupIds.includes(id));
  throw new ScenarioError(
    `affinityGroups[${index}]: ${conflict.reason}; make one of the rules soft (enforcing: false)`,
  );
}
