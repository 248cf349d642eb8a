/** A new VM as the dialog asks for it: networks as names with commas between, and at most one disk. */
import { z } from 'zod';
import { CreateVmFields, Disk } from '#contracts';

const names = (text: string) =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** NETWORK, or NETWORK=DEVICE. */
function nicOf(text: string): { network: string; hostDevice?: string } {
  const [network = '', hostDevice] = text.split('=');
  return hostDevice === undefined ? { network } : { network, hostDevice };
}

/** As the controller wants it, but for these. */
export const VmForm = CreateVmFields.omit({ nics: true, disks: true }).extend({
  /** Null: no disk. */
  storageDomainId: Disk.shape.storageDomainId.nullable(),
  diskMiB: Disk.shape.sizeMiB,
  networks: z
    .string()
    .transform((text) => names(text).map(nicOf))
    .pipe(CreateVmFields.shape.nics.unwrap()),
});
