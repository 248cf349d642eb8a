/** Which hosts the dashboard has room for. Pure. */
import type { HostView, MigrationView } from '#contracts';

/** All hosts, as they come, if there are no more than `most`; else those that need somebody most, the first of them first. */
export function lanesOf(
  hosts: readonly HostView[],
  moving: readonly Pick<MigrationView, 'sourceHostId' | 'destinationHostId'>[],
  most: number,
): readonly HostView[] {
  if (hosts.length <= most) return hosts;
  const busy = new Set(moving.flatMap(({ sourceHostId, destinationHostId }) => [sourceHostId, destinationHostId]));
  const rank = ({ id, status }: HostView) =>
    status === 'non_responsive' ? 0 : status !== 'up' ? 1 : busy.has(id) ? 2 : 3;
  return hosts.toSorted((a, b) => rank(a) - rank(b) || fullness(b) - fullness(a)).slice(0, most);
}

/** Of what is scarcer. */
const fullness = ({ cpuUsedCores, cpuCores, memoryUsedMiB, memoryMiB }: HostView): number =>
  Math.max((cpuUsedCores ?? 0) / (cpuCores ?? 1), (memoryUsedMiB ?? 0) / (memoryMiB ?? 1));
