/** Migration policies that every datacenter has from the start: oVirt's four by its names, and Drover's own. */
import { Convergence } from '#contracts';

export interface Preset {
  readonly name: string;
  readonly description: string;
  /** With which a migration begins. */
  readonly downtimeLimitMs: number;
  readonly timeoutSeconds: number;
  readonly convergence: Convergence;
}

/** oVirt raises the limit along these steps, one each time that a pass leaves more than the one before. */
const OVIRT_DOWNTIME = { means: 'downtime_limit', stepsMs: [150, 200, 300, 400, 500] } as const;

export const PRESETS: readonly Preset[] = [
  {
    name: 'minimal_downtime',
    description: 'Minimal downtime: pauses of at most half a second and slower vCPUs; ends without a move otherwise',
    downtimeLimitMs: 100,
    timeoutSeconds: 600,
    convergence: Convergence.parse({
      mode: 'ordered',
      means: [OVIRT_DOWNTIME, { means: 'throttle' }],
      deadlineSeconds: 300,
    }),
  },
  {
    name: 'post_copy',
    description:
      'Post-copy migration: as minimal_downtime, and the guest goes ahead of its memory if that is not enough',
    downtimeLimitMs: 100,
    timeoutSeconds: 600,
    convergence: Convergence.parse({
      mode: 'ordered',
      means: [OVIRT_DOWNTIME, { means: 'post_copy' }],
      deadlineSeconds: 300,
    }),
  },
  {
    name: 'suspend_workload_if_needed',
    description:
      'Suspend workload if needed: as minimal_downtime, and a pause of up to five seconds if that is not enough',
    downtimeLimitMs: 100,
    timeoutSeconds: 600,
    convergence: Convergence.parse({
      mode: 'ordered',
      means: [OVIRT_DOWNTIME, { means: 'throttle', maximumPercent: 80 }, { means: 'suspend', maximumMs: 5000 }],
      deadlineSeconds: 300,
    }),
  },
  {
    name: 'very_large_vms',
    description: 'Very large VMs: several connections and compression first, longer pauses, post-copy at last',
    downtimeLimitMs: 500,
    timeoutSeconds: 14_400,
    convergence: Convergence.parse({
      mode: 'ordered',
      means: [
        { means: 'multifd', channels: 8 },
        { means: 'compression', threads: 4 },
        { means: 'downtime_limit', stepsMs: [1000, 2000, 5000, 10_000] },
        { means: 'throttle', maximumPercent: 80 },
        { means: 'post_copy' },
      ],
      deadlineSeconds: 7200,
    }),
  },
  {
    name: 'predictive',
    description: 'What costs the guest least and ends the migration within two minutes, chosen by measurement',
    downtimeLimitMs: 300,
    timeoutSeconds: 600,
    convergence: Convergence.parse({
      mode: 'predictive',
      means: [
        { means: 'compression' },
        { means: 'xbzrle', cacheMiB: 1024 },
        { means: 'downtime_limit' },
        { means: 'throttle', maximumPercent: 80 },
        { means: 'post_copy' },
      ],
    }),
  },
];
