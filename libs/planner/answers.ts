/** What the planner answers. */
import type { MoveCost } from './cost.js';

export interface Plan {
  /** 0-100, over the hosts that are up, with moves under way counted as arrived. */
  readonly imbalanceBefore: number;
  readonly imbalanceAfter: number;
  /**
   * In an order in which no step overfills a host. Those that wait for none may all start at once. A VM that steps aside
   * for others may come back: it is there twice.
   */
  readonly moves: readonly Move[];
  /** All of them may be carried out at once, beside the moves. */
  readonly hostActions: readonly HostAction[];
  readonly refusals: readonly Refusal[];
  readonly summary: string;
}

export interface Move {
  readonly vmId: string;
  readonly sourceHostId: string;
  readonly destinationHostId: string;
  readonly reason: string;
  readonly kind: MoveKind;
  /** Points of imbalance that the move takes from its two hosts (see imbalance.ts); 0 where that is not what it is for. */
  readonly gain: number;
  /** Point-seconds over the policy's horizon (see cost.ts); null where the move has to be made whatever it costs. */
  readonly benefit: number | null;
  readonly cost: MoveCost;
  /** Positions in `moves` of those that must have arrived before this one starts. */
  readonly waitsFor: readonly number[];
}

/**
 * Why VMs move: a host is to be emptied; a VM that has to move needs the room; a rule is to hold again; load; the same,
 * by several moves that make sense together alone; a host is to be switched off.
 */
export type MoveKind = 'evacuation' | 'make_room' | 'affinity' | 'balance' | 'exchange' | 'power_saving';

/** Something that is to be done with a host: see oVirt's host life cycle. */
export interface HostAction {
  readonly hostId: string;
  /** `deactivate`: into maintenance; given only for hosts that are empty. `power_off`: only of hosts in maintenance. */
  readonly action: 'activate' | 'deactivate' | 'power_on' | 'power_off';
  readonly reason: string;
  /** Watts that it saves; negative: that it costs. */
  readonly savedWatts: number;
}

export interface Refusal {
  /** Null if it is about a host. */
  readonly vmId: string | null;
  /** The destination that was refused; null if the VM as a whole is not moved now. */
  readonly hostId: string | null;
  readonly reason: string;
}

export type Choice =
  | { readonly hostId: string; readonly reason: string }
  | { readonly hostId: null; readonly reason: string; readonly refusals: readonly HostRefusal[] };

export interface HostRefusal {
  readonly hostId: string;
  readonly reason: string;
}

export type Check = { readonly ok: true } | { readonly ok: false; readonly reason: string };
