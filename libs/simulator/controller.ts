/**
 * Drover's controller in simulated time: the same planner as the real one's, asked with the same kind of facts, and what
 * it answers is carried out under the same rules. What the real one keeps in rows is `Memory` here.
 */
import type { PolicySchedule, SchedulingPolicy } from '#contracts';
import {
  type ClusterFacts,
  type HostFacts,
  type LoadHistory,
  type LoadSlot,
  type PastMove,
  type VmFacts,
  cooldownMs,
  coresUsed,
  imbalance,
  observe,
  overUtilizedSince,
  plan,
  policyAt,
  remember,
  SLOT_MS,
  withForecast,
} from '#planner';
import type { SimulatedHost, SimulatedVm } from './cluster.js';
import type { Decision, Director, Simulation } from './simulation.js';
import { percentAt } from './trace.js';

/** Cores of different speed are told to the planner as cores of this one. */
const MIPS_PER_CORE = 1000;
const LOAD_SLOTS = (21 * 86_400_000) / SLOT_MS;
const MBPS_PER_MIBPS = (8 * 1024 * 1024) / 1_000_000;

export interface ControllerSettings {
  readonly policy: SchedulingPolicy;
  /** Absent: `policy` holds at any time. */
  readonly policySchedule?: PolicySchedule | null;
  readonly maxMigrationsPerHost: number;
  readonly cooldownSeconds: number;
  readonly haReservation: number;
  readonly memoryOvercommit: number;
}

/** Plain values, so that a controller that starts anew goes on with what JSON has kept. */
export interface Memory {
  readonly lookedAtS: number;
  readonly vms: Readonly<Record<string, RememberedVm>>;
  /** What all VMs used, in the order of time. */
  readonly load: readonly LoadSlot[];
  /** Since when hosts have been above HighUtilization, in milliseconds; those that are not are not there. */
  readonly overUtilizedSinceMs: Readonly<Record<string, number>>;
}

interface RememberedVm {
  readonly history: LoadHistory | null;
  readonly cooldownUntilMs: number | null;
  readonly recentMoves: readonly PastMove[];
}

const NEW_VM: RememberedVm = { history: null, cooldownUntilMs: null, recentMoves: [] };
const NOTHING_KEPT: Memory = { lookedAtS: 0, vms: {}, load: [], overUtilizedSinceMs: {} };

export class Controller implements Director {
  constructor(
    private readonly settings: ControllerSettings,
    public memory: Memory = NOTHING_KEPT,
  ) {}

  decide(simulation: Simulation): Decision {
    this.memory = this.#remember(simulation);
    const { maxMigrationsPerHost, haReservation } = this.settings;
    const policy = this.#policyAt(simulation.nowS);
    const limits = { maxMigrationsPerHost, haReservation };
    const nowMs = simulation.nowS * 1000;
    const present = this.factsOf(simulation);
    this.memory = { ...this.memory, load: observeLoad(this.memory.load, coresUsed(present), nowMs) };
    const facts = withForecast(present, policy, this.memory.load, nowMs);
    const { moves, hostActions } = plan(facts, policy, limits, nowMs);
    // What has to wait for another move is found again when that one has arrived.
    return { moves: moves.filter(({ waitsFor }) => waitsFor.length === 0), hostActions };
  }

  #policyAt(nowS: number): SchedulingPolicy {
    const { policy, policySchedule = null } = this.settings;
    return policyAt({ schedulingPolicy: policy, policySchedule }, nowS * 1000);
  }

  imbalanceOf(simulation: Simulation): number {
    return imbalance(this.factsOf(simulation));
  }

  factsOf({ hosts, vms, nowS }: Simulation): ClusterFacts {
    const here = vms.filter((vm) => vm.host.vms.has(vm));
    return {
      hosts: hosts.map((host) => this.#hostFacts(host, nowS)),
      vms: here.map((vm) => this.#vmFacts(vm, nowS)),
      inFlight: here.flatMap(({ migration }) =>
        migration
          ? {
              vmId: migration.vm.description.id,
              sourceHostId: migration.source.description.id,
              destinationHostId: migration.destination.description.id,
            }
          : [],
      ),
      affinityGroups: [],
      forecastCores: null,
    };
  }

  #hostFacts(host: SimulatedHost, nowS: number): HostFacts {
    const { id, name, memoryMiB, linkMbps, powerCurve, bootSeconds } = host.description;
    return {
      id,
      name,
      status: statusOf(host),
      labels: [],
      cpuCores: host.capacityMips / MIPS_PER_CORE,
      memoryMiB: memoryMiB * this.settings.memoryOvercommit,
      networkMiBps: linkMbps / MBPS_PER_MIBPS,
      cpuUsedCores: askedMips(host) / MIPS_PER_CORE,
      networkUsedMiBps: [...host.vms].reduce((sum, vm) => sum + networkMiBps(vm, nowS), 0),
      pressure: null,
      overUtilizedSinceMs: this.memory.overUtilizedSinceMs[id] ?? null,
      power: {
        wattsAt: powerCurve,
        wakeUp: 'proven',
        bootSeconds,
        isParked: host.isParked,
        sinceMs: host.powerSinceS * 1000,
        ageYears: null,
      },
    };
  }

  #vmFacts(vm: SimulatedVm, nowS: number): VmFacts {
    const { id, name, memoryMiB, vcpus, memory } = vm.description;
    return {
      id,
      name,
      hostId: vm.host.description.id,
      status: vm.migration ? 'migrating' : vm.host.status === 'non_responsive' ? 'unknown' : 'up',
      labels: [],
      cpuUsedCores: vm.requestedMips / MIPS_PER_CORE,
      memoryMiB,
      vcpus,
      networkUsedMiBps: networkMiBps(vm, nowS),
      prediction: null,
      memoryUsedMiB: memory ? (memoryMiB * percentAt(memory, nowS)) / 100 : null,
      dirtyRateMiBps: null,
      immovableReason: null,
      isLeftToPeople: false,
      ...(this.memory.vms[id] ?? NEW_VM),
    };
  }

  /** What heartbeats and ended migrations leave in rows. */
  #remember(simulation: Simulation): Memory {
    const { nowS } = simulation;
    const elapsedMs = (nowS - this.memory.lookedAtS) * 1000;
    const vms: Record<string, RememberedVm> = {};
    for (const { description, requestedMips } of simulation.vms) {
      const before = this.memory.vms[description.id] ?? NEW_VM;
      vms[description.id] = { ...before, history: observe(before.history, requestedMips / MIPS_PER_CORE, elapsedMs) };
    }
    for (const { vm, source, destination, didSucceed, atS } of simulation.takeEndedMigrations()) {
      const { id } = vm.description;
      const { history, recentMoves: before } = vms[id]!;
      const atMs = atS * 1000;
      const move = { sourceHostId: source.description.id, destinationHostId: destination.description.id, atMs };
      const recentMoves = didSucceed ? remember(before, move) : before;
      const cooldownUntilMs = atMs + cooldownMs(recentMoves, this.settings.cooldownSeconds * 1000, atMs);
      vms[id] = { history, cooldownUntilMs, recentMoves };
    }
    const overUtilizedSinceMs: Record<string, number> = {};
    for (const host of simulation.hosts) {
      const { id } = host.description;
      const before = this.memory.overUtilizedSinceMs[id];
      const since = overUtilizedSince(
        before === undefined ? null : new Date(before),
        askedMips(host) / host.capacityMips,
        this.#policyAt(nowS),
        new Date(nowS * 1000),
      );
      if (since) overUtilizedSinceMs[id] = since.getTime();
    }
    return { lookedAtS: nowS, vms, load: this.memory.load, overUtilizedSinceMs };
  }
}

/** As the real controller keeps it: one figure for each slot, here the first; three weeks of them. */
function observeLoad(load: readonly LoadSlot[], cores: number, nowMs: number): readonly LoadSlot[] {
  const startMs = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
  if (load.at(-1)?.startMs === startMs) return load;
  return [...load.slice(load.length >= LOAD_SLOTS ? 1 : 0), { startMs, cores }];
}

function statusOf(host: SimulatedHost): HostFacts['status'] {
  if (host.status === 'non_responsive') return 'non_responsive';
  switch (host.power) {
    case 'on':
      return host.status;
    case 'off':
      return 'powered_off';
    case 'booting':
      return 'powering_on';
  }
}

/** What VMs ask for, which is more than they get where a host is overloaded. */
function askedMips(host: SimulatedHost): number {
  let sum = 0;
  for (const vm of host.vms) sum += vm.requestedMips;
  return sum;
}

const networkMiBps = ({ description: { network }, host }: SimulatedVm, nowS: number): number =>
  network ? ((percentAt(network, nowS) / 100) * host.description.linkMbps) / MBPS_PER_MIBPS : 0;
