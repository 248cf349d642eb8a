/** Can a host run a VM at all? Its driver must be there, and must be able to go on where another one stopped. */
import { maxMemoryMiBOf, type HostDriver } from '#contracts';
import type { DriverNeed } from './facts.js';

/** Of hosts that tell of none; what it gives a guest is not asked then. */
const OWN: HostDriver = {
  hypervisor: 'drover',
  architecture: 'riscv64',
  accelerator: 'drover',
  version: '',
  maxMemoryMiB: Number.MAX_SAFE_INTEGER,
};

const OWN_ALONE = [OWN];

/** The driver that a VM runs on at a host with these; null if there is none. */
export function driverFor(drivers: readonly HostDriver[] | undefined, need: DriverNeed): HostDriver | null {
  // Asked for every VM and host that are looked at: nothing is allocated here.
  const hypervisor = need.hypervisor ?? OWN.hypervisor;
  const architecture = need.architecture ?? OWN.architecture;
  const found = (drivers ?? OWN_ALONE).find(
    (driver) => driver.hypervisor === hypervisor && driver.architecture === architecture,
  );
  return found ?? null;
}

export const suits = (drivers: readonly HostDriver[] | undefined, need: DriverNeed): boolean =>
  whyNot(driverFor(drivers, need), need) === null;

/** Name of a device of the host that the VM needs and the host has not; null: there is none. */
export function missingDevice(hostDevices: readonly string[] = [], { nics = [] }: DriverNeed): string | null {
  return (
    nics.find(({ hostDevice }) => hostDevice !== undefined && !hostDevices.includes(hostDevice))?.hostDevice ?? null
  );
}

/** As a sentence about a host that does not suit. */
export function explainDriver(name: string, drivers: readonly HostDriver[] | undefined, need: DriverNeed): string {
  const there = driverFor(drivers, need);
  const { hypervisor, architecture } = { ...OWN, ...need };
  switch (whyNot(there, need)) {
    case 'missing':
      return `${name} has no ${hypervisor === 'qemu' ? `QEMU for ${architecture}` : 'VMM of its own'}`;
    case 'accelerator':
      return `${name} executes ${architecture} guests by ${there!.accelerator}, the VM runs by ${need.runsOn!.accelerator}`;
    case 'older':
      return `${name} has QEMU ${there!.version}, older than the ${need.runsOn!.version} that the VM runs on`;
    case 'memory':
      return `${name} gives guests up to ${maxMemoryMiBOf(there!)} MiB of memory, the VM needs ${need.memoryMiB} MiB; with Node.js 24 or newer it gives more`;
    case null:
      return `${name} has all that the VM runs on`;
  }
}

/** QEMU promises that a newer version takes what an older one sends, and nothing about other accelerators. */
function whyNot(
  there: HostDriver | null,
  { runsOn: now = null, memoryMiB = 0 }: DriverNeed,
): 'missing' | 'memory' | 'accelerator' | 'older' | null {
  if (there === null) return 'missing';
  if (memoryMiB > maxMemoryMiBOf(there)) return 'memory';
  if (now === null || there.hypervisor !== 'qemu') return null;
  if (there.accelerator !== now.accelerator) return 'accelerator';
  return isOlder(there.version, now.version) ? 'older' : null;
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (const [index, number] of b.entries()) {
    const other = a[index] ?? 0;
    if (other !== number) return other < number;
  }
  return false;
}
