/** What VMs run on, in words. */
import type { HostDriver, HypervisorName } from '#contracts';

const NAMES: Record<HypervisorName, string> = { drover: 'Drover', qemu: 'QEMU' };

export const runsOn = ({ hypervisor, architecture }: Pick<HostDriver, 'hypervisor' | 'architecture'>): string =>
  `${NAMES[hypervisor]}, ${architecture}`;

/** One driver of a host, such as QEMU 7.2.22 for x86_64 by KVM. */
export const driverText = ({ hypervisor, architecture, accelerator, version }: HostDriver): string =>
  `${NAMES[hypervisor]} ${version} for ${architecture}${hypervisor === 'qemu' ? ` by ${accelerator.toUpperCase()}` : ''}`;
