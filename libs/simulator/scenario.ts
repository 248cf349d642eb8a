/** A scenario file: what there is, what it does, and which policy looks after it. */
import { parse } from 'yaml';
import { z } from 'zod';
import {
  AffinityRule,
  Labels,
  MaintenanceProcedure,
  MaintenanceTrigger,
  MaintenanceWindow,
  PolicySchedule,
  SchedulingPolicy,
  VmPlacement,
} from '#contracts';
import { PRESETS } from '#convergence';

const percent = z.number().min(0).max(100);

/** A VM's load in percent of its vCPUs, its memory or its host's link. */
const Load = z.union([
  percent,
  z.strictObject({
    /** A file with a column for each VM and names in its first line; VMs take columns from `from` on. */
    csv: z.string().min(1),
    from: z.int().nonnegative().default(0),
  }),
  z.strictObject({
    /** A folder with a file for each VM, one percentage a line; VMs take files in the order of their names. */
    planetlab: z.string().min(1),
    from: z.int().nonnegative().default(0),
  }),
  z.strictObject({
    /** Made up from the seed: a mean, more by day and less by night, and chance that lasts about an hour. */
    mean: percent,
    dailySwing: percent.default(0),
    deviation: percent.default(0),
  }),
]);
export type Load = z.infer<typeof Load>;

const HostGroup = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,60}$/, 'letters, digits, - _ . only'),
  count: z.int().min(1).max(10_000).default(1),
  cores: z.number().positive().max(10_000),
  mipsPerCore: z.number().positive().default(1000),
  memoryMiB: z.number().positive(),
  linkMbps: z.number().positive().default(1000),
  /** Watts at 0 %, 10 %, … 100 %. */
  watts: z.array(z.number().nonnegative()).length(11, 'eleven values, at 0 %, 10 %, … 100 %'),
  offWatts: z.number().nonnegative().default(0),
  bootSeconds: z.number().nonnegative().default(120),
  labels: Labels.default([]),
});
export type HostGroup = z.infer<typeof HostGroup>;

const VmGroup = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,60}$/, 'letters, digits, - _ . only'),
  count: z.int().min(1).max(100_000).default(1),
  vcpus: z.int().min(1).max(1024).default(1),
  mipsPerVcpu: z.number().positive().default(1000),
  memoryMiB: z.number().positive(),
  cpu: Load,
  memory: Load.optional(),
  network: Load.optional(),
  labels: Labels.default([]),
  /** What the guest writes. */
  dirtyMiBps: z.number().nonnegative().optional(),
  /** Memory that it writes again and again; all that it uses if left out. */
  hotMiB: z.number().positive().optional(),
  placement: VmPlacement.default('migratable'),
  priority: z.int().min(1).max(1000).default(1),
});
export type VmGroup = z.infer<typeof VmGroup>;

const Failure = z.strictObject({
  /** Such as `web-3`, or `web` of a group of one. */
  host: z.string(),
  atMinutes: z.number().nonnegative(),
  /** It does not come back if left out. */
  forMinutes: z.number().positive().optional(),
});

/** Of hosts and VMs: names, or names of groups of the scenario. */
const members = z.array(z.string().min(1)).max(1000).default([]);
const DISABLED = { enabled: false, positive: true, enforcing: false };

const AffinityGroup = z.strictObject({
  name: z.string().min(1).max(64),
  priority: z.number().min(1).max(1000).default(1),
  vmsRule: AffinityRule.default(DISABLED),
  hostsRule: AffinityRule.default(DISABLED),
  vms: members,
  vmLabels: Labels.default([]),
  hosts: members,
  hostLabels: Labels.default([]),
});

/** As in the API, with names for ids. */
const Maintenance = z.strictObject({
  name: z.string().min(1).max(64),
  hosts: members,
  hostLabels: Labels.default([]),
  windows: z.array(MaintenanceWindow).max(20).default([]),
  triggers: z
    .array(MaintenanceTrigger)
    .min(1)
    .max(20)
    .default([{ kind: 'window' }]),
  hostsAtOnce: z.int().min(1).max(100).default(1),
  quietMinutes: z.int().min(0).max(525_600).default(1440),
  ...MaintenanceProcedure.shape,
  /** How long a command takes at a host. */
  actionMinutes: z.number().nonnegative().max(1440).default(10),
});

export const Scenario = z.strictObject({
  name: z.string().min(1).max(200).default('scenario'),
  seed: z
    .int()
    .min(1)
    .max(2 ** 31 - 2)
    .default(1),
  hours: z.number().positive().max(8784).default(24),
  /** Distance of the rows in trace files, and of the figures in the report. */
  stepSeconds: z.int().min(1).max(86_400).default(300),
  policyIntervalSeconds: z.int().min(1).max(86_400).default(60),
  policy: SchedulingPolicy,
  /** Policies by time of day; the simulation begins on a Thursday at 00:00 UTC. */
  policySchedule: PolicySchedule.nullable().default(null),
  maxMigrationsPerHost: z.int().min(1).max(10_000).default(2),
  cooldownSeconds: z.int().nonnegative().default(300),
  haReservation: z.int().nonnegative().default(0),
  /** Memory that VMs may be promised, in multiples of what hosts have. */
  memoryOvercommit: z.number().min(1).max(1000).default(1),
  /** `planner`: one VM after the other, as if it were started; `first_fit`: onto the first host with room. */
  placement: z.enum(['planner', 'first_fit']).default('planner'),
  /** Hosts tell how long VMs wait for their CPUs, as Linux does (PSI). */
  pressure: z.boolean().default(true),
  /** By which migrations are carried out; `cloudsim`: each takes its VM's memory over half of the link, whatever else. */
  migrationPolicy: z.enum(['cloudsim', ...PRESETS.map(({ name }) => name)]).default('predictive'),
  hosts: z.array(HostGroup).min(1),
  vms: z.array(VmGroup).min(1),
  affinityGroups: z.array(AffinityGroup).max(1000).default([]),
  maintenance: z.array(Maintenance).max(100).default([]),
  failures: z.array(Failure).default([]),
});
export type Scenario = z.infer<typeof Scenario>;

/** What is wrong with a scenario, a line for each field. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

/** @throws ScenarioError that names line or fields. */
export function parseScenario(text: string): Scenario {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new ScenarioError(`not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const result = Scenario.safeParse(document);
  if (result.success) return result.data;
  throw new ScenarioError(result.error.issues.map((issue) => `${fieldName(issue.path)}: ${issue.message}`).join('\n'));
}

/** `hosts[0].watts`. */
const fieldName = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (name, key) => (typeof key === 'number' ? `${name}[${key}]` : name ? `${name}.${String(key)}` : String(key)),
    '',
  ) || 'the file';
