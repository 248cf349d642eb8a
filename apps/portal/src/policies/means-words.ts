import type { AllowedMeans, Means, MigrationDecision } from '#contracts';

interface Words {
  readonly name: string;
  readonly what: string;
  readonly unit?: string;
}

export const MEANS_WORDS: Record<Means, Words> = {
  multifd: { name: 'Several connections', what: 'Costs the guest nothing.', unit: 'connections' },
  compression: { name: 'Compression', what: 'Costs the hosts CPU.', unit: 'threads' },
  xbzrle: { name: 'Only what changed (XBZRLE)', what: 'Costs the host memory and CPU.', unit: 'MiB' },
  downtime_limit: { name: 'Longer pause', what: 'At the switchover.', unit: 'ms' },
  throttle: { name: 'Slower vCPUs (auto-converge)', what: 'While the migration runs.', unit: '%' },
  cpu_limit: { name: 'Less CPU from the host', what: 'Where control groups can be written.', unit: '%' },
  offline_vcpus: { name: 'Fewer vCPUs', what: 'They come back at the end.', unit: 'vCPUs' },
  post_copy: { name: 'Post-copy', what: 'The guest goes ahead of its memory; lost if a host dies meanwhile.' },
  suspend: { name: 'Stop and copy', what: 'The guest stands still while the rest is sent.' },
};

/** Such as `Slower vCPUs (auto-converge), 70 %`. */
export function meansText({ means, value }: Pick<MigrationDecision, 'means' | 'value'>): string {
  const { name, unit = '' } = MEANS_WORDS[means];
  return value === null ? name : `${name}, ${value} ${unit}`;
}

/** Its limits, as far as it has some. */
export function settingsText(allowed: AllowedMeans): string {
  switch (allowed.means) {
    case 'multifd':
      return `${allowed.channels} connections`;
    case 'compression':
      return `${allowed.method}, ${allowed.threads} threads`;
    case 'xbzrle':
      return `cache of ${allowed.cacheMiB} MiB`;
    case 'downtime_limit':
      return `up to ${allowed.stepsMs.at(-1)} ms`;
    case 'throttle':
    case 'cpu_limit':
      return `up to ${allowed.maximumPercent} %`;
    case 'offline_vcpus':
      return `at least ${allowed.minimumOnline} left`;
    case 'suspend':
      return allowed.maximumMs === null ? 'however long it takes' : `up to ${allowed.maximumMs} ms`;
    case 'post_copy':
      return MEANS_WORDS.post_copy.what;
  }
}
