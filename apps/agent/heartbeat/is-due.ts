/** Whether a heartbeat has to be sent now: pure. */
import type { Heartbeat } from '#contracts';

/** What was sent last. */
export interface Sent {
  readonly atMs: number;
  readonly told: Heartbeat;
  /** After how long the controller wants the next one. */
  readonly nextMs: number;
}

/** A copy in one of these waits for the controller, or changes within the second. */
const ON_THE_WAY: ReadonlySet<Heartbeat['vms'][number]['status']> = new Set([
  'starting',
  'migrating',
  'incoming',
  'loaded',
  'stopping',
]);

/** Heartbeats are looked at each second, and not exactly so. */
const TOLERANCE_MS = 500;

/** At once if there is news or something is under way, else when the controller wants one. */
export function isDue(beat: Heartbeat, last: Sent | null, nowMs: number): boolean {
  if (!last || nowMs < last.atMs || nowMs - last.atMs >= last.nextMs - TOLERANCE_MS) return true;
  const { vms, migrations, commands, probes, health } = beat;
  if (health || [migrations, commands, probes].some((told) => told.length > 0)) return true;
  if (vms.some(({ status }) => ON_THE_WAY.has(status))) return true;
  return newsOf(beat) !== newsOf(last.told);
}

/** All but what is measured again and again. */
function newsOf({ vms, drivers, hostDevices, checkpoints, ...host }: Heartbeat): string {
  const { agentUrl, agentVersion, tunnelAddress, cpuCores, memoryMiB, linkMiBps, isolation, memoryUsedMiB } = host;
  const copies = vms.map(({ vmId, epoch, status, exitCode, message, guest }) => [
    ...[vmId, epoch, status, exitCode, message, guest],
  ]);
  return JSON.stringify([
    ...[copies, drivers, hostDevices, checkpoints, memoryUsedMiB],
    ...[agentUrl, agentVersion, tunnelAddress, cpuCores, memoryMiB, linkMiBps, isolation],
  ]);
}
