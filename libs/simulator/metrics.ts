/**
 * What a run has cost, and what VMs had to go without.
 *
 * SLATAH, PDM, SLAV and ESV are those of Beloglazov and Buyya, "Optimal online deterministic algorithms and adaptive
 * heuristics for energy and performance efficient dynamic consolidation of virtual machines in cloud data centers"
 * (2012), section 7.3, computed over all hosts and VMs together as CloudSim 3.0.3 does (examples/power/Helper).
 */
import type { Simulation } from './simulation.js';

export interface Metrics {
  readonly energyKWh: number;
  readonly hostHours: number;
  readonly migrations: number;
  readonly migrationsFailed: number;
  readonly powerSwitches: number;
  /** SLA violation time per active host: share of its time under load in which a host could not give all VMs enough. */
  readonly slatah: number;
  /** Performance degradation due to migrations: share of the CPU asked for that VMs lacked while on their way. */
  readonly pdm: number;
  /** SLATAH times PDM. */
  readonly slav: number;
  /** Energy in kWh times SLAV. */
  readonly esv: number;
  /** Share of the CPU asked for that VMs did not get, for whatever reason. */
  readonly unservedShare: number;
  /** Time that VMs have had on hosts, whether or not these gave them enough. */
  readonly vmHours: number;
}

export function metricsOf(simulation: Simulation): Metrics {
  const { hosts, vms } = simulation;
  const sum = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0);
  const energyKWh = sum(hosts, (host) => host.energyJ) / JOULES_PER_KWH;
  const requested = sum(vms, (vm) => vm.requested);
  const slatah = ratio(
    sum(hosts, (host) => host.overloadedS),
    sum(hosts, (host) => host.activeS),
  );
  const pdm = ratio(
    sum(vms, (vm) => vm.lostInMigrations),
    requested,
  );
  return {
    energyKWh,
    hostHours: sum(hosts, (host) => host.onS) / 3600,
    migrations: simulation.migrationsStarted,
    migrationsFailed: simulation.migrationsFailed,
    powerSwitches: simulation.powerSwitches,
    slatah,
    pdm,
    slav: slatah * pdm,
    esv: energyKWh * slatah * pdm,
    unservedShare: requested === 0 ? 0 : 1 - sum(vms, (vm) => vm.allocated) / requested,
    vmHours: sum(vms, (vm) => vm.residentS) / 3600,
  };
}

const JOULES_PER_KWH = 3_600_000;

/** 0 where there was nothing to share in. */
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
