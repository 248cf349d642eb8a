/** Small clusters in simulated time, written by hand. */
import type { HostDescription, VmDescription } from './cluster.js';
import type { Director } from './simulation.js';
import { type Trace, constantTrace } from './trace.js';

/** 100 W idle, 200 W at full load, a straight line in between. */
export const STRAIGHT = Array.from({ length: 11 }, (_, tenth) => 100 + 10 * tenth);

/** Two cores of 1,000 MIPS, 8 GiB, 1 Gbit/s. */
export const hostOf = (name: string, more: Partial<HostDescription> = {}): HostDescription => ({
  id: name,
  name,
  cores: 2,
  mipsPerCore: 1000,
  memoryMiB: 8192,
  linkMbps: 1000,
  powerCurve: STRAIGHT,
  offWatts: 0,
  bootSeconds: 0,
  ...more,
});

/** One vCPU of 1,000 MIPS, 1,000 MiB: sixteen seconds over half a gigabit link that counts 1,000 bits a kilobit. */
export const vmOf = (name: string, cpu: Trace | number, more: Partial<VmDescription> = {}): VmDescription => ({
  id: name,
  name,
  vcpus: 1,
  mipsPerVcpu: 1000,
  memoryMiB: 1000,
  cpu: typeof cpu === 'number' ? constantTrace(cpu) : cpu,
  memory: null,
  network: null,
  ...more,
});

export const nobody: Director = { decide: () => [] };
