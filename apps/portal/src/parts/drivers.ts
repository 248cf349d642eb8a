/** What VMs run on, in words. */
import { maxMemoryMiBOf, type HostDriver, type HypervisorName } from '#contracts';
import { mebibytes } from './figures.js';

const NAMES: Record<HypervisorName, string> = { drover: 'Drover', qemu: 'QEMU' };

export const runsOn = ({ hypervisor, architecture }: Pick<HostDriver, 'hypervisor' | 'architecture'>): string =>
  `${NAMES[hypervisor]}, ${architecture}`;

/** One driver of a host, such as QEMU 7.2.22 for x86_64 by KVM. */
export function driverText(driver: HostDriver): string {
  const { hypervisor, architecture, accelerator, version } = driver;
  const name = `${NAMES[hypervisor]} ${version} for ${architecture}`;
  return hypervisor === 'qemu'
    ? `${name} by ${accelerator.toUpperCase()}`
    : `${name}, guests of up to ${mebibytes(maxMemoryMiBOf(driver))}`;
}
