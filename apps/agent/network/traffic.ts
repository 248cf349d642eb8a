/** From what has passed the ports of VMs to how much of a link they use: pure. */
import type { VmSpec } from '#contracts';
import type { PortTraffic } from './fabric.js';

/** What has passed the ports of each VM since they were plugged in. */
export interface TrafficReading {
  /** By a clock that only goes forward. */
  readonly atMs: number;
  readonly vms: ReadonlyMap<string, PortTraffic>;
}

const BYTES_PER_MIB = 2 ** 20;

/**
 * MiB/s that a VM sends or receives, whichever is more: a link carries both at once. Null: nobody knows. That is so until
 * there are two readings of the same ports, and always of a VM that drives a device of the host, past the switch.
 */
export function networkMiBpsOf(
  vmId: string,
  { nics }: Pick<VmSpec, 'nics'>,
  before: TrafficReading | null,
  now: TrafficReading | null,
): number | null {
  if (nics.length === 0) return 0;
  if (nics.some(({ hostDevice }) => hostDevice !== undefined)) return null;
  const [was, is] = [before?.vms.get(vmId), now?.vms.get(vmId)];
  if (!before || !now || !was || !is || now.atMs <= before.atMs) return null;
  const sent = is.sentBytes - was.sentBytes;
  const received = is.receivedBytes - was.receivedBytes;
  if (sent < 0 || received < 0) return null; // it was plugged in anew
  return (1000 * Math.max(sent, received)) / BYTES_PER_MIB / (now.atMs - before.atMs);
}
