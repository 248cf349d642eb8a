/** What the policies and their parameters mean, in words for administrators. */
import { SCHEDULING_PARAMETERS, type SchedulingPolicy } from '#contracts';

interface PolicyWords {
  readonly title: string;
  readonly help: string;
}

export const POLICIES: Record<SchedulingPolicy['name'], PolicyWords> = {
  none: {
    title: 'none',
    help: 'VMs stay where they are. Only maintenance, affinity groups and administrators move them.',
  },
  evenly_distributed: {
    title: 'evenly_distributed',
    help: 'Spreads CPU, memory and network load over the hosts, and relieves hosts that are over-utilized.',
  },
  vm_evenly_distributed: {
    title: 'vm_evenly_distributed',
    help: 'Gives every host about as many VMs, once a host runs many.',
  },
  power_saving: {
    title: 'power_saving',
    help: 'Runs VMs on few, well-filled hosts; the others are emptied, and may be switched off.',
  },
  cluster_maintenance: {
    title: 'cluster_maintenance',
    help: 'Nothing is moved for load and no VM starts, while work on the cluster is under way.',
  },
};

export const policyTitle = (name: SchedulingPolicy['name']) => POLICIES[name].title;

interface ParameterWords {
  readonly unit: string;
  readonly help: string;
}

type PolicyWithParameters = keyof typeof SCHEDULING_PARAMETERS;
type ParameterName = {
  [P in PolicyWithParameters]: keyof (typeof SCHEDULING_PARAMETERS)[P]['shape'];
}[PolicyWithParameters];

const WORDS: Record<ParameterName, ParameterWords> = {
  HighUtilization: { unit: '% CPU', help: 'Above it a host is over-utilized, and VMs leave it.' },
  LowUtilization: { unit: '% CPU', help: 'Below it a host is emptied, if its VMs fit elsewhere.' },
  CpuOverCommitDurationMinutes: {
    unit: 'min',
    help: 'So long a host must be above HighUtilization before VMs leave it: short peaks move nothing.',
  },
  MaxFreeMemoryForOverUtilized: { unit: 'MiB', help: 'With less free memory than this a host is over-utilized too.' },
  MinFreeMemoryForUnderUtilized: {
    unit: 'MiB',
    help: 'So much must stay free on a destination after a VM has come.',
  },
  ImbalanceThreshold: { unit: 'points', help: 'Imbalance (0-100) below which nothing is moved.' },
  MinimumGain: { unit: 'points', help: 'A move must lower the imbalance by at least this.' },
  HighPressure: {
    unit: '% of time',
    help: 'Where VMs wait for the host longer than this, no policy sends others.',
  },
  HorizonMinutes: { unit: 'min', help: 'Within this time a move must bring more than it costs.' },
  HighVmCount: { unit: 'VMs', help: 'Once a host runs so many, VMs are spread.' },
  MigrationThreshold: { unit: 'VMs', help: 'So much more than the emptiest host a host must run before VMs leave it.' },
  SpmVmGrace: { unit: 'VMs', help: 'So many fewer the host that manages storage should run.' },
  HostsInReserve: { unit: 'hosts', help: 'Empty hosts that stay on, for sudden load.' },
  EnableAutomaticHostPowerManagement: {
    unit: '',
    help: 'Switches empty hosts off, and on again when they are needed.',
  },
  PeakDeviations: {
    unit: 'σ',
    help: 'When hosts are filled, a VM is given its mean load and so many standard deviations of it.',
  },
  MinimumOnMinutes: { unit: 'min', help: 'So long a host stays on at least.' },
  MinimumOffMinutes: { unit: 'min', help: 'So long a host stays off at least.' },
};

interface Parameter extends ParameterWords {
  readonly name: ParameterName;
  readonly isSwitch: boolean;
  readonly preset: unknown;
}

/** A policy's parameters in the order of its schema; none where it has none. */
export function parametersOf(policy: SchedulingPolicy['name']): Parameter[] {
  if (!hasParameters(policy)) return [];
  const presets: Record<string, unknown> = SCHEDULING_PARAMETERS[policy].parse({});
  return Object.entries(presets).map(([key, preset]) => {
    const name = key as ParameterName;
    return { name, ...WORDS[name], preset, isSwitch: typeof preset === 'boolean' };
  });
}

export const hasParameters = (policy: SchedulingPolicy['name']): policy is PolicyWithParameters =>
  policy in SCHEDULING_PARAMETERS;
