/**
 * The experiment of CloudSim 3.0.3's PlanetLab example, on one day of PlanetLab's VMs (2011-03-03; CoMon project, as
 * Beloglazov and Buyya collected it: https://github.com/beloglazov/planetlab-workload-traces).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type HostDescription, type VmDescription, parseCsvTraces } from '#simulator';
import { wattsAt } from '#planner';
import { root } from './programs.js';

export const STEP_S = 300;
export const DAY_S = 86_400;

/** SPECpower_ssj2008 at 0 %, 10 %, … 100 %: HP ProLiant ML110 G4 (Xeon 3040) and G5 (Xeon 3075). */
const G4 = { mipsPerCore: 1860, powerCurve: [86, 89.4, 92.6, 96, 99.5, 102, 106, 108, 112, 114, 117] };
const G5 = { mipsPerCore: 2660, powerCurve: [93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135] };

export const HOSTS: readonly HostDescription[] = Array.from({ length: 800 }, (_, index) => {
  const name = `host-${String(index).padStart(3, '0')}`;
  const model = index % 2 === 0 ? G4 : G5;
  return { id: name, name, cores: 2, memoryMiB: 4096, linkMbps: 1000, offWatts: 0, bootSeconds: 0, ...model };
});

const VM_TYPES = [
  { mipsPerVcpu: 2500, memoryMiB: 870 },
  { mipsPerVcpu: 2000, memoryMiB: 1740 },
  { mipsPerVcpu: 1000, memoryMiB: 1740 },
  { mipsPerVcpu: 500, memoryMiB: 613 },
] as const;

/** The traces are percentages of one vCPU; the types are in four equal blocks of the columns. */
export function readVms(): VmDescription[] {
  const file = join(root, 'test/bench/traces/planetlab-20110303.csv.gz');
  const traces = [...parseCsvTraces(gunzipSync(readFileSync(file)).toString('utf8'), STEP_S)];
  const block = Math.ceil(traces.length / VM_TYPES.length);
  return traces.map(([name, cpu], index) => {
    const type = VM_TYPES[Math.floor(index / block)]!;
    return { id: name, name, vcpus: 1, ...type, cpu, memory: null, network: null };
  });
}

interface Fill {
  readonly host: HostDescription;
  mips: number;
  memoryMiB: number;
}

const hasRoom = ({ host, mips, memoryMiB }: Fill, vm: VmDescription): boolean =>
  host.mipsPerCore >= vm.mipsPerVcpu &&
  host.cores * host.mipsPerCore - mips >= vm.mipsPerVcpu &&
  host.memoryMiB - memoryMiB >= vm.memoryMiB;

/** The first host with room for all that a VM may ask for: PowerVmAllocationPolicySimple. */
export const placeFirstFit = (vms: readonly VmDescription[]): Map<string, string> =>
  place(vms, (fills, vm) => fills.find((fill) => hasRoom(fill, vm)));

/**
 * The host with room whose power rises least above that of an idle one, VM after VM: power-aware best fit, as
 * PowerVmAllocationPolicyMigrationAbstract places VMs at the beginning, when no host has a load yet.
 */
export const placeBestFit = (vms: readonly VmDescription[]): Map<string, string> =>
  place(vms, (fills, vm) => {
    let best: Fill | undefined;
    let leastWatts = Infinity;
    for (const fill of fills) {
      if (!hasRoom(fill, vm)) continue;
      const { powerCurve, cores, mipsPerCore } = fill.host;
      const watts = wattsAt(powerCurve, (fill.mips + vm.mipsPerVcpu) / (cores * mipsPerCore)) - wattsAt(powerCurve, 0);
      if (watts < leastWatts) [best, leastWatts] = [fill, watts];
    }
    return best;
  });

function place(
  vms: readonly VmDescription[],
  choose: (fills: readonly Fill[], vm: VmDescription) => Fill | undefined,
): Map<string, string> {
  const fills = HOSTS.map((host): Fill => ({ host, mips: 0, memoryMiB: 0 }));
  return new Map(
    vms.map((vm) => {
      const fill = choose(fills, vm);
      if (!fill) throw new Error(`no host has room for ${vm.name}`);
      fill.mips += vm.mipsPerVcpu;
      fill.memoryMiB += vm.memoryMiB;
      return [vm.id, fill.host.id];
    }),
  );
}
