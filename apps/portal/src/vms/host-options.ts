/** The hosts on which a VM may run, for a choice: each with what is free on it. */
import { maxMemoryMiBOf, type HostView, type VmView } from '#contracts';
import { runsOn } from '../parts/drivers.js';
import { cores, mebibytes } from '../parts/figures.js';
import { hostStatusWord } from '../parts/status.js';

type Machine = Pick<VmView, 'clusterId' | 'hypervisor' | 'architecture'>;
type Wanted = Machine & Pick<VmView, 'memoryMiB'> & { readonly notOn?: string | null };

/** The most memory that a guest may have on a host, by what it runs on; 0 if it cannot run there. */
export const maxMemoryMiB = ({ drivers }: HostView, { hypervisor, architecture }: Machine): number => {
  const driver = drivers.find((each) => each.hypervisor === hypervisor && each.architecture === architecture);
  return driver ? maxMemoryMiBOf(driver) : 0;
};

/** The most memory that any host that is up gives a guest. */
export const mostMemoryMiB = (hosts: readonly HostView[], machine: Machine): number =>
  hosts
    .filter(({ clusterId, status }) => clusterId === machine.clusterId && status === 'up')
    .reduce((most, host) => Math.max(most, maxMemoryMiB(host, machine)), 0);

export function hostOptions(hosts: readonly HostView[], { memoryMiB, notOn, ...machine }: Wanted) {
  const whyNot = (host: HostView, freeMiB: number): string | undefined => {
    const mostMiB = maxMemoryMiB(host, machine);
    if (host.status !== 'up') return hostStatusWord(host.status).toLowerCase();
    if (mostMiB === 0) return `does not run ${runsOn(machine)}`;
    if (mostMiB < memoryMiB) return `gives a guest at most ${mebibytes(mostMiB)}`;
    return freeMiB < memoryMiB ? `only ${mebibytes(freeMiB)} free` : undefined;
  };
  return hosts
    .filter((host) => host.clusterId === machine.clusterId && host.id !== notOn)
    .map((host) => {
      const freeMiB = (host.memoryMiB ?? 0) - (host.memoryUsedMiB ?? 0);
      const freeCores = Math.max(0, (host.cpuCores ?? 0) - (host.cpuUsedCores ?? 0));
      const why = whyNot(host, freeMiB);
      return {
        value: host.id,
        label: `${host.name} (${why ?? `${mebibytes(freeMiB)} and ${cores(freeCores)} cores free`})`,
        isDisabled: why !== undefined,
      };
    });
}
