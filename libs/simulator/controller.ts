/**
 * Drover's controller in simulated time. It decides by the very functions that the real one calls: the planner, the order
 * in which a plan's moves begin, rests after moves, maintenance. What the real one keeps in rows is `Memory` here; what is
 * one transaction there is one decision here.
 */
import type { AffinityGroup, PolicySchedule, SchedulingPolicy } from '#contracts';
import {
  type ClusterFacts,
  type LoadSlot,
  coresUsed,
  imbalance,
  isStillDue,
  nextMoves,
  nextSteps,
  observe,
  overUtilizedSince,
  plan,
  policyAt,
  restAfter,
  SLOT_MS,
  withForecast,
} from '#planner';
import { MIPS_PER_CORE, factsOf, factsToPlan, factsWithPlans, statusOf } from './facts.js';
import { type MaintenancePolicy, maintain } from './maintain.js';
import { type Memory, type MigrationRow, type PlanRow, type RememberedVm, NEW_VM, NOTHING_KEPT } from './memory.js';
import type { Decision, Order } from './decision.js';
import type { Director, Simulation } from './simulation.js';

const LOAD_SLOTS = (21 * 86_400_000) / SLOT_MS;
/** The longest time over which maintenance counts failed migrations. */
const FAILURES_MS = 7 * 86_400_000;

export interface ControllerSettings {
  readonly policy: SchedulingPolicy;
  /** Absent: `policy` holds at any time. */
  readonly policySchedule?: PolicySchedule | null;
  readonly maxMigrationsPerHost: number;
  readonly cooldownSeconds: number;
  readonly haReservation: number;
  readonly memoryOvercommit: number;
  /** See facts.ts. */
  readonly pressure?: boolean;
  readonly affinityGroups?: readonly AffinityGroup[];
  /** Absent: none. */
  readonly maintenance?: readonly MaintenancePolicy[];
}

const NOTHING: Decision = { moves: [], hostActions: [] };

export class Controller implements Director {
  #decidingSinceMs: number | null = null;

  constructor(
    private readonly settings: ControllerSettings,
    public memory: Memory = NOTHING_KEPT,
  ) {}

  /** One turn. Between two decisions it may end and start anew; orders that were lost then are given again. */
  *decide(simulation: Simulation): Generator<Decision> {
    yield this.#observe(simulation);
    yield this.#goOn(simulation);
    yield this.#plan(simulation);
    yield this.#finishEmptying(simulation);
    if (this.settings.maintenance?.length) yield this.#maintain(simulation);
  }

  /** Moves that have waited for migrations which have ended begin at once. */
  *follow(simulation: Simulation): Generator<Decision> {
    if (this.memory.plans.every(({ moves }) => moves.every(({ state }) => state !== 'approved'))) return;
    yield this.#hear(simulation);
    yield this.#goOn(simulation);
  }

  imbalanceOf(simulation: Simulation): number {
    return imbalance(this.factsOf(simulation));
  }

  factsOf(simulation: Simulation): ClusterFacts {
    return factsOf(simulation, this.memory, this.settings);
  }

  policyAt(nowS: number): SchedulingPolicy {
    const { policy, policySchedule = null } = this.settings;
    return policyAt({ schedulingPolicy: policy, policySchedule }, nowS * 1000);
  }

  get #limits() {
    const { maxMigrationsPerHost, haReservation } = this.settings;
    return { maxMigrationsPerHost, haReservation };
  }

  /** What heartbeats leave in rows. */
  #observe(simulation: Simulation): Decision {
    const { nowS } = simulation;
    const elapsedMs = (nowS - this.memory.lookedAtS) * 1000;
    const vms: Record<string, RememberedVm> = {};
    for (const { description, requestedMips } of simulation.vms) {
      const before = this.memory.vms[description.id] ?? NEW_VM;
      vms[description.id] = { ...before, history: observe(before.history, requestedMips / MIPS_PER_CORE, elapsedMs) };
    }
    const overUtilizedSinceMs: Record<string, number> = {};
    for (const host of simulation.hosts) {
      const { id } = host.description;
      const before = this.memory.overUtilizedSinceMs[id];
      const since = overUtilizedSince(
        before === undefined ? null : new Date(before),
        host.askedMips / host.capacityMips,
        this.policyAt(nowS),
        new Date(nowS * 1000),
      );
      if (since) overUtilizedSinceMs[id] = since.getTime();
    }
    this.memory = { ...this.memory, lookedAtS: nowS, vms, overUtilizedSinceMs };
    return this.#hear(simulation);
  }

  /** Ends of migrations. One that is told twice, because the controller ended in between, is settled already. */
  #hear(simulation: Simulation): Decision {
    const ended = simulation.endedMigrations;
    if (ended.length === 0) return NOTHING;
    const rows = new Map(this.memory.migrations.map((row) => [row.id, row]));
    const vms = { ...this.memory.vms };
    const states = new Map<string, 'completed' | 'failed'>();
    const failures = [];
    for (const { id, hasArrived, atS } of ended) {
      const row = rows.get(id);
      if (!row) continue;
      const atMs = atS * 1000;
      const { history, recentMoves } = vms[row.vmId] ?? NEW_VM;
      const rested = restAfter(
        recentMoves,
        { ...row, isByPolicy: row.trigger === 'policy', hasArrived },
        this.settings.cooldownSeconds * 1000,
        atMs,
      );
      vms[row.vmId] = { history, ...rested };
      states.set(id, hasArrived ? 'completed' : 'failed');
      if (!hasArrived) failures.push({ ...row, atMs });
    }
    const sinceMs = simulation.nowS * 1000 - FAILURES_MS;
    this.memory = {
      ...this.memory,
      vms,
      migrations: this.memory.migrations.filter(({ id }) => !states.has(id)),
      failedMigrations: [...this.memory.failedMigrations.filter(({ atMs }) => atMs > sinceMs), ...failures],
      plans: this.memory.plans.map((made) => ({
        ...made,
        moves: made.moves.map((move) => {
          const state = move.migrationId === null ? undefined : states.get(move.migrationId);
          return state ? { ...move, state } : move;
        }),
      })),
    };
    return { ...NOTHING, heard: ended.map(({ id }) => id) };
  }

  /** What earlier plans have left to do; orders that nobody has heard are given again. */
  #goOn(simulation: Simulation): Decision {
    const lost = this.memory.migrations.filter(({ id }) => !simulation.hasHeard(id));
    const plans: PlanRow[] = [];
    const begun: MigrationRow[] = [];
    let now = this.memory;
    for (const made of this.memory.plans) {
      const { ready, lost: off } = nextMoves(made.moves);
      const isDue = ready.length > 0 || off.length > 0;
      const steps = isDue
        ? nextSteps(factsOf(simulation, now, this.settings), made.moves, made.policy, this.#limits)
        : [];
      const moves = [...made.moves];
      for (const { action, position } of steps) {
        if (action === 'drop') moves[position] = { ...moves[position]!, state: 'dropped' };
        else {
          const row = this.#rowOf(moves[position]!);
          begun.push(row);
          moves[position] = { ...moves[position]!, state: 'started', migrationId: row.id };
        }
      }
      now = { ...now, migrations: [...this.memory.migrations, ...begun] };
      if (moves.some(({ state }) => state === 'approved' || state === 'started')) plans.push({ ...made, moves });
    }
    this.memory = { ...now, lastId: this.memory.lastId, plans };
    return { ...NOTHING, moves: [...lost, ...begun].map(orderOf) };
  }

  #plan(simulation: Simulation): Decision {
    const nowMs = simulation.nowS * 1000;
    const policy = this.policyAt(simulation.nowS);
    const present = factsToPlan(simulation, this.memory, this.settings);
    this.memory = { ...this.memory, load: observeLoad(this.memory.load, coresUsed(present), nowMs) };
    const facts = withForecast(present, policy, this.memory.load, nowMs);
    const made = plan(facts, policy, this.#limits, nowMs);
    const hostActions = made.hostActions.filter(({ hostId, action }) => {
      const host = simulation.host(hostId);
      const isEmpty = host.vms.size === 0 && host.arriving.size === 0;
      return isStillDue(action, { status: statusOf(host), isParked: host.isParked, isEmpty });
    });
    const moves = made.moves.map(({ vmId, sourceHostId, destinationHostId, kind, waitsFor }) => {
      const move = { vmId, sourceHostId, destinationHostId, kind, waitsFor };
      return { ...move, state: 'approved' as const, migrationId: null };
    });
    const ready = new Map(nextMoves(moves).ready.map((position) => [position, this.#rowOf(moves[position]!)]));
    const row: PlanRow = {
      id: this.#nextId('plan'),
      policy,
      moves: moves.map((move, position) => {
        const migration = ready.get(position);
        return migration ? { ...move, state: 'started' as const, migrationId: migration.id } : move;
      }),
    };
    this.memory = {
      ...this.memory,
      refusals: made.refusals,
      migrations: [...this.memory.migrations, ...ready.values()],
      plans: moves.length > 0 ? [...this.memory.plans, row] : this.memory.plans,
    };
    return {
      moves: [...ready.values()].map(orderOf),
      hostActions: hostActions.map(({ hostId, action }) => ({
        hostId,
        action: action === 'deactivate' ? 'park' : action,
      })),
    };
  }

  /** A host that is to be emptied and is empty is in maintenance. */
  #finishEmptying({ hosts }: Simulation): Decision {
    const busy = new Set(
      this.memory.migrations.flatMap(({ sourceHostId, destinationHostId }) => [sourceHostId, destinationHostId]),
    );
    const empty = hosts.filter(
      (host) => statusOf(host) === 'preparing_for_maintenance' && host.vms.size === 0 && !busy.has(host.description.id),
    );
    return {
      ...NOTHING,
      hostActions: empty.map(({ description: { id } }) => ({ hostId: id, action: 'enter_maintenance' })),
    };
  }

  #maintain(simulation: Simulation): Decision {
    const { maintenance = [] } = this.settings;
    const facts = factsWithPlans(simulation, this.memory, this.settings);
    this.#decidingSinceMs ??= simulation.nowS * 1000;
    const asked = {
      cluster: facts,
      schedulingPolicy: this.policyAt(simulation.nowS),
      limits: this.#limits,
      decidingSinceMs: this.#decidingSinceMs,
    };
    const done = maintain(simulation, this.memory, maintenance, asked);
    this.memory = done.memory;
    return done.decision;
  }

  #rowOf({ vmId, sourceHostId, destinationHostId, kind }: PlanRow['moves'][number]): MigrationRow {
    const trigger = kind === 'evacuation' ? 'maintenance' : 'policy';
    return { id: this.#nextId('migration'), vmId, sourceHostId, destinationHostId, trigger };
  }

  #nextId(what: string): string {
    const lastId = this.memory.lastId + 1;
    this.memory = { ...this.memory, lastId };
    return `${what} ${lastId}`;
  }
}

export const orderOf = ({ id, vmId, destinationHostId }: MigrationRow): Order => ({
  migrationId: id,
  vmId,
  destinationHostId,
});

/** As the real controller keeps it: one figure for each slot, here the first; three weeks of them. */
function observeLoad(load: readonly LoadSlot[], cores: number, nowMs: number): readonly LoadSlot[] {
  const startMs = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
  if (load.at(-1)?.startMs === startMs) return load;
  return [...load.slice(load.length >= LOAD_SLOTS ? 1 : 0), { startMs, cores }];
}
