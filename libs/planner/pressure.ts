/** How much VMs on a host have to wait for it. */
import type { HostState } from './host-state.js';

/** Percent of time that somebody waited for the host's CPU, memory or disks, or that it was not given the CPU. */
export function pressureOf({ facts: { pressure } }: HostState): number {
  if (!pressure) return 0;
  const { cpuSomePercent, memorySomePercent, ioSomePercent, stealPercent } = pressure;
  return Math.max(cpuSomePercent, memorySomePercent, ioSomePercent, stealPercent);
}
