/**
 * Ganeti's text format, as hbal and the other htools read it with -t (htools(1)), and their file of utilisations (hbal(1),
 * -U). Groups, disks, tags and instance policies are kept as they are; Drover plans with memory, cores and load.
 */
import type { SchedulingPolicy } from '#contracts';
import { type ClusterFacts, type HostFacts, type Plan, UNWATCHED_VM, type VmFacts, plan } from '#planner';

export interface GanetiNode {
  readonly name: string;
  readonly totalMemoryMiB: number;
  /** What the node's own system uses. */
  readonly nodeMemoryMiB: number;
  readonly cores: number;
  readonly isOffline: boolean;
  readonly fields: readonly string[];
}

export interface GanetiInstance {
  readonly name: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly isRunning: boolean;
  readonly primaryNode: string;
  readonly fields: readonly string[];
}

export interface GanetiCluster {
  readonly nodes: readonly GanetiNode[];
  readonly instances: readonly GanetiInstance[];
  /** Groups; tags and instance policies: lines that are written as they were read. */
  readonly groups: readonly string[];
  readonly rest: readonly (readonly string[])[];
}

const NODE = { name: 0, totalMemory: 1, nodeMemory: 2, freeMemory: 3, cores: 6, role: 7 } as const;
const INSTANCE = { name: 0, memory: 1, vcpus: 3, status: 4, primary: 6 } as const;
/** Statuses in which an instance occupies its node. */
const OCCUPYING = new Set(['running', 'ERROR_up', 'ERROR_wrongnode']);

/** @throws RangeError that names line and field. */
export function parseGaneti(text: string): GanetiCluster {
  const sections = sectionsOf(text);
  if (sections.length < 3)
    throw new RangeError('sections for groups, nodes and instances are needed, between empty lines');
  const [groups, nodeLines, instanceLines, ...rest] = sections;
  const nodes = nodeLines!.map(({ line, number }): GanetiNode => {
    const { fields, figure } = fieldsOf(line, number, NODE.role + 1);
    // "?" stands for what Ganeti could not find out; hbal takes such a node to be offline, too.
    const isOffline = fields[NODE.role] === 'Y' || fields.slice(NODE.totalMemory, NODE.role).includes('?');
    const figureOr0 = (index: number, name: string) => (fields[index] === '?' ? 0 : figure(index, name));
    return {
      name: fields[NODE.name]!,
      totalMemoryMiB: figureOr0(NODE.totalMemory, 'total memory'),
      nodeMemoryMiB: figureOr0(NODE.nodeMemory, 'memory used by the node'),
      cores: figureOr0(NODE.cores, 'physical cores'),
      isOffline,
      fields,
    };
  });
  const names = new Set(nodes.map(({ name }) => name));
  const instances = instanceLines!.map(({ line, number }): GanetiInstance => {
    const { fields, figure } = fieldsOf(line, number, INSTANCE.primary + 1);
    const primaryNode = fields[INSTANCE.primary]!;
    if (!names.has(primaryNode))
      throw new RangeError(`line ${number}, primary node: there is no node "${primaryNode}"`);
    return {
      name: fields[INSTANCE.name]!,
      memoryMiB: figure(INSTANCE.memory, 'memory'),
      vcpus: figure(INSTANCE.vcpus, 'vcpus'),
      isRunning: OCCUPYING.has(fields[INSTANCE.status]!),
      primaryNode,
      fields,
    };
  });
  const asRead = (lines: readonly { line: string }[]) => lines.map(({ line }) => line);
  return { nodes, instances, groups: asRead(groups!), rest: rest.map(asRead) };
}

/** The same cluster as text, with the instances on the nodes they are on now. */
export function formatGaneti({ nodes, instances, groups, rest }: GanetiCluster): string {
  const used = new Map<string, number>();
  for (const { primaryNode, memoryMiB, isRunning } of instances)
    if (isRunning) used.set(primaryNode, (used.get(primaryNode) ?? 0) + memoryMiB);
  const nodeLines = nodes.map(({ name, totalMemoryMiB, nodeMemoryMiB, isOffline, fields }) =>
    isOffline
      ? fields.join('|')
      : fields.with(NODE.freeMemory, String(totalMemoryMiB - nodeMemoryMiB - (used.get(name) ?? 0))).join('|'),
  );
  const instanceLines = instances.map(({ primaryNode, fields }) =>
    fields.with(INSTANCE.primary, primaryNode).join('|'),
  );
  const lines = [groups, nodeLines, instanceLines, ...rest];
  return lines.map((section) => section.map((line) => `${line}\n`).join('')).join('\n');
}

/** CPU use of instances, 0 to 1 of their vCPUs, by name. @throws RangeError that names the line. */
export function parseGanetiUtilization(text: string): Map<string, number> {
  return new Map(
    text
      .split('\n')
      .map((line, index) => ({ words: line.trim().split(/\s+/), number: index + 1 }))
      .filter(({ words }) => words[0] !== '')
      .map(({ words: [name, cpu], number }) => {
        const value = Number(cpu);
        if (!(value >= 0 && value <= 1)) throw new RangeError(`line ${number}: "${cpu}" is not a CPU load from 0 to 1`);
        return [name!, value];
      }),
  );
}

/** Half of its vCPUs is assumed where nobody has measured, as for a VM that is started. */
const ASSUMED_UTILIZATION = 0.5;

/** The cluster as the planner is told of it. */
export function factsOfGaneti(
  { nodes, instances }: GanetiCluster,
  utilization: ReadonlyMap<string, number> = new Map(),
): ClusterFacts {
  const coresOf = ({ name, vcpus }: GanetiInstance) => vcpus * (utilization.get(name) ?? ASSUMED_UTILIZATION);
  const used = new Map<string, number>();
  for (const instance of instances)
    if (instance.isRunning) used.set(instance.primaryNode, (used.get(instance.primaryNode) ?? 0) + coresOf(instance));
  return {
    hosts: nodes.map(({ name, totalMemoryMiB, nodeMemoryMiB, cores, isOffline }): HostFacts => ({
      id: name,
      name,
      status: isOffline ? 'maintenance' : 'up',
      labels: [],
      cpuCores: Math.max(1, cores),
      memoryMiB: Math.max(1, totalMemoryMiB - nodeMemoryMiB),
      networkMiBps: null,
      cpuUsedCores: used.get(name) ?? 0,
      networkUsedMiBps: 0,
      pressure: null,
      overUtilizedSinceMs: null,
      power: null,
    })),
    vms: instances.map((instance): VmFacts => ({
      ...UNWATCHED_VM,
      id: instance.name,
      name: instance.name,
      hostId: instance.primaryNode,
      status: instance.isRunning ? 'up' : 'down',
      cpuUsedCores: coresOf(instance),
      memoryMiB: instance.memoryMiB,
      vcpus: instance.vcpus,
    })),
    inFlight: [],
    affinityGroups: [],
    forecastCores: null,
  };
}

export interface GanetiPlan extends Plan {
  /** The cluster when all moves have been made, in the same format. */
  readonly after: string;
}

/**
 * What a policy would do with the cluster, with no limit on moves at once, as hbal has none.
 * @param utilizationText contents of a file for hbal's -U; may be empty.
 * @throws RangeError that names line and field of the texts.
 */
export function planGaneti(text: string, utilizationText: string, policy: SchedulingPolicy): GanetiPlan {
  const cluster = parseGaneti(text);
  const facts = factsOfGaneti(cluster, parseGanetiUtilization(utilizationText));
  const made = plan(facts, policy, { maxMigrationsPerHost: cluster.instances.length + 1, haReservation: 0 }, 0);
  const homes = new Map(made.moves.map(({ vmId, destinationHostId }) => [vmId, destinationHostId]));
  const instances = cluster.instances.map((instance) => ({
    ...instance,
    primaryNode: homes.get(instance.name) ?? instance.primaryNode,
  }));
  return { ...made, after: formatGaneti({ ...cluster, instances }) };
}

interface NumberedLine {
  readonly line: string;
  readonly number: number;
}

/** Each empty line ends a section; so an empty line at the end begins an empty section, which hbal may ask for. */
function sectionsOf(text: string): NumberedLine[][] {
  const sections: NumberedLine[][] = [[]];
  for (const [index, line] of text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line === '') sections.push([]);
    else sections.at(-1)!.push({ line, number: index + 1 });
  }
  return sections;
}

function fieldsOf(line: string, number: number, least: number) {
  const fields = line.split('|');
  if (fields.length < least) throw new RangeError(`line ${number}: ${fields.length} fields of at least ${least}`);
  const figure = (index: number, name: string): number => {
    const value = fields[index] === '' ? Number.NaN : Number(fields[index]);
    if (!(value >= 0)) throw new RangeError(`line ${number}, ${name}: "${fields[index]}" is not a number`);
    return value;
  };
  return { fields, figure };
}
