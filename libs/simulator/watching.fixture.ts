/** Looks over the shoulder of a controller in simulated time, and checks with its own eyes what must always hold. */
import { SchedulingPolicy } from '#contracts';
import type { HostDescription, VmDescription } from './cluster.js';
import { Controller, type ControllerSettings } from './controller.js';
import type { MaintenancePolicy } from './maintain.js';
import type { Memory } from './memory.js';
import type { Decision } from './decision.js';
import { type Director, type SimulationSetUp, Simulation } from './simulation.js';

export interface Ordered {
  readonly vmId: string;
  readonly from: string;
  readonly to: string;
  readonly atS: number;
  /** Undefined: not of a plan. */
  readonly planId: string | undefined;
}

export const settingsOf = (policy: unknown, more: Partial<ControllerSettings> = {}): ControllerSettings => ({
  policy: SchedulingPolicy.parse(policy),
  maxMigrationsPerHost: 2,
  cooldownSeconds: 300,
  haReservation: 0,
  memoryOvercommit: 1,
  pressure: true,
  ...more,
});

/** VMs of hosts, `{ a: [vm, vm], b: [] }`. */
export function clusterOf(
  hosts: readonly HostDescription[],
  vms: Readonly<Record<string, readonly VmDescription[]>>,
  more: Partial<SimulationSetUp> = {},
): Simulation {
  const placement = new Map(Object.entries(vms).flatMap(([host, all]) => all.map(({ id }) => [id, host] as const)));
  return new Simulation({ hosts, vms: Object.values(vms).flat(), placement, ...more });
}

/** Memory that is promised on a host: to VMs that are there, and to those that are on their way. */
export const promisedMiB = ({ vms, arriving }: Simulation['hosts'][number]): number =>
  [...vms, ...arriving].reduce((sum, { description }) => sum + description.memoryMiB, 0);

export class Watching implements Director {
  readonly ordered: Ordered[] = [];

  constructor(
    private readonly controller: Required<Director> & { readonly memory: Memory },
    private readonly settings: ControllerSettings,
    /** What holds before a decision has to hold when it was carried out. */
    private readonly holds: () => boolean = () => true,
  ) {}

  *decide(simulation: Simulation): Generator<Decision> {
    yield* this.watch(simulation, this.controller.decide(simulation));
  }

  *follow(simulation: Simulation): Generator<Decision> {
    yield* this.watch(simulation, this.controller.follow(simulation));
  }

  *watch(simulation: Simulation, decisions: Iterable<Decision>): Generator<Decision> {
    for (const decision of decisions) {
      for (const { migrationId, vmId, destinationHostId } of decision.moves) {
        if (simulation.hasHeard(migrationId!)) continue;
        const from = simulation.vm(vmId).host.description.id;
        const plan = this.controller.memory.plans.find(({ moves }) =>
          moves.some((move) => move.migrationId === migrationId),
        );
        this.ordered.push({ vmId, from, to: destinationHostId, atS: simulation.nowS, planId: plan?.id });
      }
      const held = this.holds();
      yield decision;
      this.#check(simulation);
      if (held && !this.holds()) throw new Error(`what held before ${simulation.nowS} s holds no more`);
    }
  }

  /** The decision has been carried out. */
  #check({ hosts }: Simulation): void {
    const { memoryOvercommit, maxMigrationsPerHost } = this.settings;
    for (const host of hosts) {
      const leaving = [...host.vms].filter(({ migration }) => migration).length;
      const { name, memoryMiB } = host.description;
      if (promisedMiB(host) > memoryMiB * memoryOvercommit) throw new Error(`${name} is overfull`);
      if (leaving + host.arriving.size > maxMigrationsPerHost) throw new Error(`${name} has too many migrations`);
    }
  }

  movesOf(vmId: string): readonly Ordered[] {
    return this.ordered.filter((each) => each.vmId === vmId);
  }
}

export interface Run {
  readonly simulation: Simulation;
  readonly watching: Watching;
  readonly memory: () => Memory;
}

/** Looks every minute, as the controller does. */
export function runFor(
  hours: number,
  simulation: Simulation,
  settings: ControllerSettings,
  onStep: () => void = () => {},
): Run {
  const controller = new Controller(settings);
  const watching = new Watching(controller, settings);
  simulation.run(watching, { untilS: hours * 3600, stepS: 60, decideEveryS: 60 }, onStep);
  return { simulation, watching, memory: () => controller.memory };
}

/** A policy of maintenance that opens at 01:00 UTC for two hours, and does something at the host for ten minutes. */
export const nightly = (more: Partial<MaintenancePolicy> = {}): MaintenancePolicy => ({
  id: 'patch',
  name: 'patch',
  hostIds: [],
  hostLabels: [],
  windows: [{ cron: '0 1 * * *', timeZone: 'UTC', durationMinutes: 120 }],
  triggers: [{ kind: 'window' }],
  hostsAtOnce: 1,
  quietMinutes: 1440,
  actionMinutes: 10,
  procedure: {
    action: { kind: 'command', name: 'update', arguments: [], timeoutSeconds: 3600, restarts: false },
    onBlocked: 'wait',
    blockedWaitMinutes: 30,
    stopRolloutOn: 'failed',
    maxAttempts: 3,
    evacuationTimeoutMinutes: 120,
    activate: true,
    returnVms: true,
  },
  ...more,
});
