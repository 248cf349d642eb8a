/** What a host's agent finds out about the health of its host. */
import { z } from 'zod';
import { Timestamp } from './common.js';

/**
 * What was looked at. memory_*: errors that EDAC has counted; disk: SMART; file_system: errors that ext4 has counted;
 * custom: an executable in the host's health.d folder. clock and agent_version are found out by the controller.
 */
export const HealthKind = z.enum([
  'memory_uncorrectable',
  'memory_correctable',
  'disk',
  'temperature',
  'file_system',
  'clock',
  'agent_version',
  'reboot_required',
  'custom',
]);
export type HealthKind = z.infer<typeof HealthKind>;

/** `failed`: nothing should run here. `warning`: somebody should look after it. */
export const HealthState = z.enum(['ok', 'warning', 'failed']);
export type HealthState = z.infer<typeof HealthState>;

export const HealthCheck = z.object({
  kind: HealthKind,
  /** Which one, where there are several: a memory controller, a disk, a sensor, an executable; else empty. */
  subject: z.string().max(100),
  state: HealthState,
  /** What was measured: errors, °C, seconds; null where there is no number. */
  value: z.number().nullable(),
  /** A sentence with the figures. */
  reason: z.string().max(500),
});
export type HealthCheck = z.infer<typeof HealthCheck>;

export const HostHealth = z.object({ at: Timestamp, checks: z.array(HealthCheck).max(200) });
export type HostHealth = z.infer<typeof HostHealth>;
