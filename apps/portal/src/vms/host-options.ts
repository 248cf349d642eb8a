/** The hosts on which a VM may run, for a choice: each with what is free on it. */
import type { HostView, VmView } from '#contracts';
import { cores, mebibytes } from '../parts/figures.js';
import { hostStatusWord } from '../parts/status.js';

type Wanted = Pick<VmView, 'clusterId' | 'memoryMiB'> & { readonly notOn?: string | null };

export function hostOptions(hosts: readonly HostView[], { clusterId, memoryMiB, notOn }: Wanted) {
  return hosts
    .filter((host) => host.clusterId === clusterId && host.id !== notOn)
    .map((host) => {
      const freeMiB = (host.memoryMiB ?? 0) - (host.memoryUsedMiB ?? 0);
      const freeCores = Math.max(0, (host.cpuCores ?? 0) - (host.cpuUsedCores ?? 0));
      const why =
        host.status === 'up'
          ? freeMiB < memoryMiB
            ? `only ${mebibytes(freeMiB)} free`
            : undefined
          : hostStatusWord(host.status).toLowerCase();
      return {
        value: host.id,
        label: `${host.name} (${why ?? `${mebibytes(freeMiB)} and ${cores(freeCores)} cores free`})`,
        isDisabled: why !== undefined,
      };
    });
}
