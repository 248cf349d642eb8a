/** What the policies and their parameters mean, in words for administrators. */
import type { EvenlyDistributedParameters, SchedulingPolicy } from '#contracts';

interface PolicyWords {
  readonly title: string;
  readonly help: string;
}

export const POLICIES: Record<SchedulingPolicy['name'], PolicyWords> = {
  none: {
    title: 'none',
    help: 'VMs stay where they are. Only maintenance and administrators move them.',
  },
  evenly_distributed: {
    title: 'evenly_distributed',
    help: 'Spreads CPU and memory load over the hosts, and relieves hosts that are over-utilized.',
  },
};

export const policyTitle = (name: SchedulingPolicy['name']) => POLICIES[name].title;

interface ParameterWords {
  readonly name: keyof EvenlyDistributedParameters;
  readonly unit: string;
  readonly help: string;
}

export const EVENLY_DISTRIBUTED: readonly ParameterWords[] = [
  { name: 'HighUtilization', unit: '% CPU', help: 'Above it a host is over-utilized, and VMs leave it.' },
  {
    name: 'CpuOverCommitDurationMinutes',
    unit: 'min',
    help: 'So long a host must be above HighUtilization before VMs leave it: short peaks move nothing.',
  },
  {
    name: 'MaxFreeMemoryForOverUtilized',
    unit: 'MiB',
    help: 'With less free memory than this a host is over-utilized too.',
  },
  {
    name: 'MinFreeMemoryForUnderUtilized',
    unit: 'MiB',
    help: 'So much must stay free on a destination after a VM has come.',
  },
  { name: 'ImbalanceThreshold', unit: 'points', help: 'Imbalance (0-100) below which nothing is moved.' },
  { name: 'MinimumGain', unit: 'points', help: 'A move must lower the imbalance by at least this.' },
];
