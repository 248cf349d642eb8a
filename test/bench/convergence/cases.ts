/** Which guests are moved, by what, for the table of convergence. */
import { Convergence } from '#contracts';
import { PRESETS } from '#convergence';
import { DROVER, QEMU, type Program } from '../programs.js';

export interface Guest {
  readonly ramMiB: number;
  /** MiB that it writes over and over; what else it has is zero. */
  readonly regionMiB: number;
  /** As a share of the bandwidth. */
  readonly writes: 0 | 0.5 | 2;
}

/** What is done about a guest that writes too fast. */
export interface Approach {
  readonly program: Program;
  readonly name: string;
  /** QMP's capabilities and parameters with which both ends begin. */
  readonly capabilities?: readonly string[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** What is done when the first pass has ended. */
  readonly afterFirstPass?: 'post_copy' | 'suspend' | 'long_pause';
  /** Who decides meanwhile; a preset's name. */
  readonly policy?: string;
  /** By which a migration is begun, where the policy does not say. */
  readonly downtimeLimitMs: number;
}

/** Of one migration, in both programs. */
export const BANDWIDTH_MIBPS = 100;
const DOWNTIME_MS = 300;

const drover = (name: string, how: Partial<Approach> = {}): Approach => ({
  ...{ program: DROVER, name, downtimeLimitMs: DOWNTIME_MS },
  ...how,
});
const qemu = (name: string, how: Partial<Approach> = {}): Approach => ({ ...drover(name, how), program: QEMU });

export const CHOICE = drover("Drover's choice", { policy: 'predictive' });
export const AUTO_CONVERGE = qemu('auto-converge, defaults', { capabilities: ['auto-converge'] });

/** Each means by itself. */
const ALONE: readonly Approach[] = [
  drover('none'),
  drover('compression (zstd)', { capabilities: ['compress'] }),
  drover('XBZRLE', { capabilities: ['xbzrle'], parameters: { 'xbzrle-cache-size': 2 ** 30 } }),
  drover('multifd, 4 connections', { capabilities: ['multifd'], parameters: { 'multifd-channels': 4 } }),
  drover('downtime limit of 2 s', { afterFirstPass: 'long_pause' }),
  drover('auto-converge, defaults', { capabilities: ['auto-converge'] }),
  drover('post-copy', { capabilities: ['postcopy-ram'], afterFirstPass: 'post_copy' }),
  drover('suspend', { afterFirstPass: 'suspend' }),
];

/** oVirt's four, with what they begin with. */
const OVIRT: readonly Approach[] = [
  qemu('oVirt: minimal downtime', { policy: 'minimal_downtime', capabilities: ['auto-converge'] }),
  qemu('oVirt: post-copy', { policy: 'post_copy', capabilities: ['postcopy-ram'] }),
  qemu('oVirt: suspend workload if needed', { policy: 'suspend_workload_if_needed', capabilities: ['auto-converge'] }),
  qemu('oVirt: very large VMs', {
    ...{ policy: 'very_large_vms', capabilities: ['multifd', 'auto-converge', 'postcopy-ram'] },
    parameters: { 'multifd-channels': 4, 'multifd-compression': 'zstd' },
  }),
];

const WRITES = [0, 0.5, 2] as const;
/** A quarter of the larger guests is written, as of most that are alive. */
const SIZES = [
  { ramMiB: 256, regionMiB: 192 },
  { ramMiB: 1024, regionMiB: 512 },
  { ramMiB: 3072, regionMiB: 1024 },
] as const;

export interface Run {
  readonly guest: Guest;
  readonly approach: Approach;
}

/** Every guest by Drover's choice and by QEMU's auto-converge; the one in the middle that does not converge by all. */
export const RUNS: readonly Run[] = SIZES.flatMap((size) =>
  WRITES.flatMap((writes) => {
    const guest = { ...size, writes };
    const isHard = size.ramMiB === 1024 && writes === 2;
    const approaches = [CHOICE, AUTO_CONVERGE, ...(isHard ? [...ALONE, ...OVIRT] : [])];
    return approaches.map((approach) => ({ guest, approach }));
  }),
);

/** How long a migration of that guest should take at most: three times what its memory takes once, and two seconds. */
export const deadlineSeconds = ({ regionMiB }: Guest): number => Math.ceil((3 * regionMiB) / BANDWIDTH_MIBPS) + 2;

/** The policy of an approach for a guest; null: nothing is decided. */
export function policyOf({ policy }: Approach, guest: Guest): Convergence | null {
  const preset = PRESETS.find(({ name }) => name === policy);
  return preset ? Convergence.parse({ ...preset.convergence, deadlineSeconds: deadlineSeconds(guest) }) : null;
}
