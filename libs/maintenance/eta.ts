/** How long a host that is being emptied still takes. */

export interface LeavingVm {
  /** What is left to be sent: of one on its way as its migration tells, else all that the VM uses. */
  readonly remainingMiB: number;
  /** As it was measured last. */
  readonly dirtyRateMiBps: number;
  /** Of its migration, measured; null: it has not begun to be sent. */
  readonly bandwidthMiBps: number | null;
  /** As predicted before it began to move; null: it would not end by itself. */
  readonly expectedSeconds: number | null;
}

/**
 * Seconds until the last of them has left; null: nobody can tell. What is written while it is sent is sent again, so
 * pre-copy sends `remaining / (1 - dirty rate / bandwidth)` in all. The migrations that run tell what the host's link
 * carries; those that wait get as large a share of it as each of these. Before anything was measured, and of a VM that
 * writes faster than it is sent, the prediction counts.
 */
export function secondsToEmpty(vms: readonly LeavingVm[]): number | null {
  const moving = vms.flatMap(({ bandwidthMiBps }) => (bandwidthMiBps ? [bandwidthMiBps] : []));
  const link = moving.reduce((sum, bandwidth) => sum + bandwidth, 0);
  if (moving.length === 0) return total(vms.map(({ expectedSeconds }) => expectedSeconds));
  const times = vms.map((vm) => {
    const bandwidth = vm.bandwidthMiBps || link / moving.length;
    const seconds = secondsOf(vm, bandwidth);
    const onWholeLink = seconds === null ? null : (seconds * bandwidth) / link;
    return { seconds, onWholeLink, isMoving: Boolean(vm.bandwidthMiBps) };
  });
  const all = total(times.map(({ onWholeLink }) => onWholeLink));
  const slowest = Math.max(...times.map(({ seconds, isMoving }) => (isMoving ? (seconds ?? 0) : 0)));
  return all === null ? null : Math.max(slowest, all);
}

/** At this bandwidth. */
function secondsOf({ remainingMiB, dirtyRateMiBps, expectedSeconds }: LeavingVm, bandwidthMiBps: number) {
  if (dirtyRateMiBps >= bandwidthMiBps) return expectedSeconds;
  return remainingMiB / (bandwidthMiBps - dirtyRateMiBps);
}

const total = (seconds: readonly (number | null)[]): number | null =>
  seconds.reduce((sum, each) => (sum === null || each === null ? null : sum + each), 0 as number | null);
