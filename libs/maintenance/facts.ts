/** What decisions about maintenance rest on: one cluster as it is. */
import type {
  BlockedChoice,
  CommandReport,
  HostHealth,
  HostStatus,
  MaintenancePhase,
  MaintenanceProcedure,
  MaintenanceTrigger,
  MaintenanceVm,
  MaintenanceWindow,
  RunTrigger,
  SchedulingPolicy,
} from '#contracts';
import type { ClusterFacts, Limits } from '#planner';

export interface MaintenanceFacts {
  /** Those that are enabled. */
  readonly policies: readonly PolicyFacts[];
  readonly hosts: readonly HostFacts[];
  /** All that have not ended, oldest first, and those that have ended of the same rollouts. */
  readonly runs: readonly RunFacts[];
  /** The latest run of each policy, host and trigger, ended or not. */
  readonly history: readonly PastRun[];
  /** The cluster as the planner sees it. */
  readonly cluster: ClusterFacts;
  readonly schedulingPolicy: SchedulingPolicy;
  readonly limits: Limits;
  /** Since when this controller has been deciding: before that, nobody may have given orders. */
  readonly decidingSinceMs: number;
}

export interface PolicyFacts {
  readonly id: string;
  readonly name: string;
  readonly hostIds: readonly string[];
  readonly hostLabels: readonly string[];
  readonly windows: readonly MaintenanceWindow[];
  readonly triggers: readonly MaintenanceTrigger[];
  readonly hostsAtOnce: number;
  readonly quietMinutes: number;
}

export interface HostFacts {
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly status: HostStatus | (string & {});
  readonly lastHeartbeatMs: number | null;
  readonly health: HostHealth | null;
  /** When the controller was told of it. */
  readonly healthAtMs: number | null;
  /** Since when it has been on, where its power is managed; null: not known. */
  readonly powerSinceMs: number | null;
  /** Why it is in its status. */
  readonly statusReason: string;
  /** When migrations from or to it have failed of late. */
  readonly failedMigrationsMs: readonly number[];
}

export interface RunFacts {
  readonly id: string;
  readonly policyId: string | null;
  readonly hostId: string;
  readonly rolloutId: string;
  readonly group: number;
  readonly hostsAtOnce: number;
  readonly trigger: RunTrigger;
  readonly phase: MaintenancePhase;
  readonly phaseSinceMs: number;
  readonly phaseReason: string;
  /** Since when its VMs, or its silence, have kept it from its turn; null: nothing does, or it is not its turn. */
  readonly heldSinceMs: number | null;
  readonly waitsForWindow: boolean;
  readonly windowEndsMs: number | null;
  readonly procedure: MaintenanceProcedure;
  /** As the rows of VMs and migrations say now (see vms.ts). */
  readonly vms: readonly MaintenanceVm[];
  /** When it began to empty the host. */
  readonly startedMs: number | null;
  readonly command: Omit<CommandReport, 'runId'> | null;
  /** How it ends when its VMs have come back. */
  readonly endsAs: 'done' | 'cancelled';
}

export interface PastRun {
  readonly policyId: string | null;
  readonly hostId: string;
  readonly trigger: RunTrigger;
  readonly windowStartsMs: number | null;
  readonly endedMs: number | null;
}

/** Something that is to be done, with the reason that people read. */
export type MaintenanceStep =
  | {
      readonly action: 'begin';
      readonly policyId: string;
      readonly trigger: RunTrigger;
      readonly windowStartsMs: number | null;
      readonly windowEndsMs: number | null;
      readonly waitsForWindow: boolean;
      readonly hosts: readonly DueHost[];
    }
  /** `host`: what becomes of it in the same moment. */
  | {
      readonly action: 'change_phase';
      readonly runId: string;
      readonly to: MaintenancePhase;
      readonly reason: string;
      readonly host?: 'deactivate' | 'activate';
      readonly endsAs?: 'done' | 'cancelled';
    }
  /** `isHeld`: it would be its turn, but for itself. */
  | { readonly action: 'note'; readonly runId: string; readonly reason: string; readonly isHeld: boolean }
  | {
      readonly action: 'move_vm';
      readonly runId: string;
      readonly vmId: string;
      readonly destinationHostId: string;
      readonly reason: string;
    }
  | { readonly action: 'stop_vm' | 'start_vm'; readonly runId: string; readonly vmId: string; readonly reason: string }
  /** A VM is not brought back. */
  | { readonly action: 'leave_vm'; readonly runId: string; readonly vmId: string; readonly reason: string }
  /** The action of the run's procedure, at the host. Given again as long as nothing is heard of it. */
  | { readonly action: 'act'; readonly runId: string }
  /** The host's health is to be looked at anew. */
  | { readonly action: 'look'; readonly runId: string };

export interface DueHost {
  readonly hostId: string;
  readonly hostName: string;
  readonly group: number;
  readonly reason: string;
}

/** What somebody has chosen for the VM, or else what the run says of all. */
export const choiceFor = ({ procedure }: Pick<RunFacts, 'procedure'>, vm: MaintenanceVm | undefined): BlockedChoice =>
  vm?.choice ?? procedure.onBlocked;

/** While a run is in one of these, its host is not there for VMs. */
export const emptyingPhases: ReadonlySet<MaintenancePhase> = new Set(['evacuating', 'acting', 'checking']);
