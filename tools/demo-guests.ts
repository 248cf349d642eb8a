/** The six VMs of the demo: Linux where its guest has been fetched, else `pager`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateVm } from '#contracts';

interface Load {
  /** MiB/s that the VM writes. */
  readonly rate: number;
  /** Percent of a CPU that it burns beside. */
  readonly cpu: number;
}

/** What the demo asks the API for, besides name and place. */
export interface DemoGuest {
  readonly image: 'linux' | 'pager';
  readonly memoryMiB: number;
  readonly append: string;
  readonly nics: CreateVm['nics'];
}

/** One network card on the one network. */
const NICS: CreateVm['nics'] = [{ network: 'default' }];

const LOADS: readonly Load[] = [
  { rate: 1, cpu: 2 },
  { rate: 2, cpu: 10 },
  { rate: 4, cpu: 2 },
  { rate: 1, cpu: 8 },
  { rate: 2, cpu: 2 },
  { rate: 4, cpu: 5 },
];

const pager = ({ rate, cpu }: Load): DemoGuest => ({
  image: 'pager',
  memoryMiB: 128,
  append: `region=64 rate=${rate} cpu=${cpu}`,
  nics: NICS,
});

/** stress-ng writes its memory, verifies it and rests for a second. */
const linux = ({ rate, cpu }: Load, index: number): DemoGuest => {
  const writes = `--vm 1 --vm-bytes ${rate}M --vm-method write64 --vm-hang 1 --verify`;
  const burns = `--cpu 1 --cpu-load ${cpu}`;
  return {
    image: 'linux',
    memoryMiB: 256,
    nics: NICS,
    append: `quiet address=10.0.0.${index + 1}/24 background="stress-ng --quiet --timeout 0 ${writes} ${burns}"`,
  };
};

/** Those of the demo in `dir`, in order. */
export function demoGuests(dir: string): readonly DemoGuest[] {
  return LOADS.map(existsSync(join(dir, 'images', 'linux', 'kernel')) ? linux : pager);
}

/** True for one of the demo's VMs as it was made before Linux had been fetched. */
export function isPagerOfDemo(guest: { readonly image: string; readonly append: string }, index: number): boolean {
  const made = LOADS[index] && pager(LOADS[index]);
  return guest.image === made?.image && guest.append === made.append;
}
