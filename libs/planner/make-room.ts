/** A chain of moves: VMs step aside, so that one that has to go somewhere fits. */
import type { ClusterState } from './cluster-state.js';
import { costOf } from './cost.js';
import { bestDestination } from './destination.js';
import type { VmFacts } from './facts.js';
import type { HostState } from './host-state.js';
import { whyImmovable, whyResting } from './movable.js';
import { type Obstacle, type Room, freeMiB, isBusy, obstacleTo } from './room.js';
import type { Score } from './score.js';
import type { Draft } from './sequence.js';

/** Moves that are looked at for one plan; a count and no clock, so that the same facts give the same plan. */
const BUDGET = 5000;
const LONGEST_CHAIN = 2;
const MOST_VMS_ASIDE = 3;

/** What others leaving can change. */
const CLEARABLE: ReadonlySet<Obstacle> = new Set(['memory', 'cpu']);

export interface Cleared {
  readonly host: HostState;
  /** The moves that make room, already made in the state. */
  readonly before: readonly Draft[];
}

export class RoomMaker {
  #left = BUDGET;

  constructor(
    private readonly state: ClusterState,
    private readonly room: Room,
    private readonly score: Score,
    private readonly nowMs: number,
  ) {}

  /**
   * The best of these hosts on which there is room once others have stepped aside; null if none was found.
   * @param cleared hosts that are being cleared already, where nobody steps aside to.
   */
  clear(vm: VmFacts, hosts: readonly HostState[], cleared: readonly HostState[] = []): Cleared | null {
    const candidates = hosts
      .filter((host) => host.isUp && CLEARABLE.has(obstacleTo(this.state, host, vm, this.room) ?? 'busy'))
      .toSorted((a, b) => this.score(a, vm) - this.score(b, vm) || a.index - b.index);
    for (const host of candidates) {
      const before = this.#clearHost(vm, host, [...cleared, host]);
      if (before) return { host, before };
      if (this.#left <= 0) return null;
    }
    return null;
  }

  #clearHost(vm: VmFacts, host: HostState, cleared: readonly HostState[]): Draft[] | null {
    const before: Draft[] = [];
    const aside: VmFacts[] = [];
    for (let count = 0; count < MOST_VMS_ASIDE; count++) {
      const next = this.#stepAside(vm, host, aside, cleared);
      if (!next) break;
      before.push(...next.moves);
      aside.push(next.vm);
      if (obstacleTo(this.state, host, vm, roomAfter(this.room, host, aside)) === null) return before;
    }
    for (const { vmId } of before.toReversed()) this.state.undo(this.state.vm(vmId));
    return null;
  }

  /** The smallest VM that is enough by itself, otherwise the largest, if it finds room elsewhere. */
  #stepAside(vm: VmFacts, host: HostState, aside: readonly VmFacts[], cleared: readonly HostState[]) {
    const missingMiB = vm.memoryMiB + this.room.memoryReserveMiB - freeMiB(host, roomAfter(this.room, host, aside));
    const movable = host.vms.filter((other) => this.#mayStepAside(other, host));
    const isEnough = (other: VmFacts) => other.memoryMiB >= missingMiB;
    const inOrder = movable.toSorted(
      (a, b) =>
        Number(isEnough(b)) - Number(isEnough(a)) ||
        (isEnough(a) ? a.memoryMiB - b.memoryMiB : b.memoryMiB - a.memoryMiB),
    );
    const others = this.state.hostsUp.filter((other) => !cleared.includes(other));
    for (const other of inOrder) {
      if (this.#left-- <= 0) return null;
      const best = bestDestination(this.state, others, other, this.room, this.score);
      const found = best.host
        ? { host: best.host, before: [] }
        : cleared.length < LONGEST_CHAIN
          ? this.clear(other, others, cleared)
          : null;
      if (!found) continue;
      const move = this.#asideMove(other, host, found, vm);
      this.state.move(other, found.host);
      return { vm: other, moves: [...found.before, move] };
    }
    return null;
  }

  #mayStepAside(vm: VmFacts, host: HostState): boolean {
    return (
      !isBusy(host, this.room) &&
      whyImmovable(this.state, vm) === null &&
      whyResting(vm, this.nowMs) === null &&
      !this.state.affinity.concerns(vm.id)
    );
  }

  #asideMove(vm: VmFacts, source: HostState, { host, before }: Cleared, forWhom: VmFacts): Draft {
    return {
      vmId: vm.id,
      sourceHostId: source.id,
      destinationHostId: host.id,
      reason: `${vm.name} makes room on ${source.name} for ${forWhom.name}, which fits nowhere else`,
      kind: 'make_room',
      gain: 0,
      benefit: null,
      cost: costOf(vm, source, host),
      after: before,
    };
  }
}

/** The room that there is when these VMs have left the host. */
export function roomAfter(room: Room, host: HostState, gone: readonly VmFacts[]): Room {
  const memoryMiB = gone.reduce((sum, vm) => sum + vm.memoryMiB, 0);
  return { ...room, freedMiB: new Map([...room.freedMiB, [host, (room.freedMiB.get(host) ?? 0) + memoryMiB]]) };
}
