/** What the real controller keeps in rows, as plain values: one that starts anew goes on with what JSON has kept. */
import type { Refusal, SchedulingPolicy } from '#contracts';
import type { RunFacts } from '#maintenance';
import type { LoadHistory, LoadSlot, MoveUnderWay, PastMove } from '#planner';

type MadeRefusal = Pick<Refusal, 'vmId' | 'hostId' | 'reason'>;

export interface Memory {
  readonly lookedAtS: number;
  readonly vms: Readonly<Record<string, RememberedVm>>;
  /** What all VMs used, in the order of time. */
  readonly load: readonly LoadSlot[];
  /** Since when hosts have been above HighUtilization, in milliseconds; those that are not are not there. */
  readonly overUtilizedSinceMs: Readonly<Record<string, number>>;
  /** Ordered and not yet heard to have ended. */
  readonly migrations: readonly MigrationRow[];
  readonly failedMigrations: readonly FailedMigration[];
  /** Plans with moves that are not over. */
  readonly plans: readonly PlanRow[];
  /** Why the latest plan has left VMs and hosts as they are. */
  readonly refusals: readonly MadeRefusal[];
  /** Runs of maintenance that have not ended, and those that have of late. */
  readonly runs: readonly RunRow[];
  /** When hosts were last heard of their health. */
  readonly healthAtMs: Readonly<Record<string, number>>;
  /** Of rows that were made so far. */
  readonly lastId: number;
}

export interface RememberedVm {
  readonly history: LoadHistory | null;
  readonly cooldownUntilMs: number | null;
  readonly recentMoves: readonly PastMove[];
}

export interface MigrationRow {
  readonly id: string;
  readonly vmId: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  readonly trigger: 'policy' | 'maintenance';
}

export interface FailedMigration extends MigrationRow {
  readonly atMs: number;
}

export interface PlanRow {
  readonly id: string;
  readonly policy: SchedulingPolicy;
  readonly moves: readonly PlannedMoveRow[];
}

export interface PlannedMoveRow extends MoveUnderWay {
  readonly migrationId: string | null;
}

export interface RunRow extends RunFacts {
  readonly windowStartsMs: number | null;
  readonly endedMs: number | null;
  /** When the action at the host will have done its work. */
  readonly actionEndsMs: number | null;
}

export const NEW_VM: RememberedVm = { history: null, cooldownUntilMs: null, recentMoves: [] };

export const NOTHING_KEPT: Memory = {
  lookedAtS: 0,
  vms: {},
  load: [],
  overUtilizedSinceMs: {},
  migrations: [],
  failedMigrations: [],
  plans: [],
  refusals: [],
  runs: [],
  healthAtMs: {},
  lastId: 0,
};
