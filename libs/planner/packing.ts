/** Fills hosts: the fullest first on which a VM still has room, so that others become empty. */
import type { SchedulingPolicy } from '#contracts';
import type { ClusterState } from './cluster-state.js';
import { HostOrder } from './host-order.js';
import { type HostState, UNMEASURED, expectedLoad } from './host-state.js';
import type { VmFacts } from './facts.js';
import { type Room, freeMiB, isFullOf, obstacleTo } from './room.js';
import { isPressed, scoreOf } from './score.js';

interface Hop {
  readonly vm: VmFacts;
  readonly destination: HostState;
}

export class Packing {
  /** Hosts in the order in which they are filled: those that have room for the smallest VM, and are not emptied. */
  readonly #order: HostOrder;
  readonly #emptied = new Set<HostState>();
  readonly #smallestMiB: number;
  readonly #isDestination: (host: HostState) => boolean;
  readonly #started = new Map<HostState, number>();
  readonly #unlimited: Room;

  constructor(
    private readonly state: ClusterState,
    room: Room,
    policy: SchedulingPolicy,
  ) {
    this.#unlimited = { ...room, maxMigrationsPerHost: Infinity };
    const score = scoreOf(policy, state);
    // Soft rules are looked at for each VM; the order of the hosts is that of their own scores.
    const nobody = { ...UNMEASURED, id: '', name: '', memoryMiB: 0, vcpus: 0 };
    this.#smallestMiB = state.hostsUp.reduce(
      (least, { vms }) => vms.reduce((smaller, { memoryMiB }) => Math.min(smaller, memoryMiB), least),
      Infinity,
    );
    this.#isDestination = (host) => host.isUp && !isPressed(host, policy);
    this.#order = new HostOrder(state.hosts.filter(this.#isDestination), (host) => score(host, nobody));
    for (const host of state.hosts) this.#started.set(host, host.migrations);
  }

  /** The host for the VM; no soft rule may be broken that holds now. Empty hosts are used only if told so. */
  find(vm: VmFacts, source: HostState, { emptyToo = false } = {}): HostState | null {
    const { mean } = expectedLoad(vm);
    const { affinity } = this.state;
    const penalty = affinity.penalty(vm.id, source.index);
    const together = affinity.isEmpty
      ? 0
      : affinity.companionsOf(vm, source.vms).filter((other) => !this.state.isMoving(other)).length;
    const memoryMiB = vm.memoryMiB + this.#unlimited.memoryReserveMiB;
    for (const host of this.#order) {
      if (host === source || (!emptyToo && host.residents.size === 0)) continue;
      if (memoryMiB > freeMiB(host, this.#unlimited)) continue; // first what most hosts lack
      if ((host.expectedCores + mean) * host.percentPerCore > this.#unlimited.maxCpuPercent) continue;
      if (affinity.penalty(vm.id, host.index) > penalty) continue;
      if (obstacleTo(this.state, host, vm, this.#unlimited, together)) continue;
      return host;
    }
    return null;
  }

  move(vm: VmFacts, destination: HostState): void {
    const source = this.state.host(vm.hostId);
    this.state.move(vm, destination);
    this.start(source, destination);
    this.#place(source);
    this.#place(destination);
  }

  /** Sends all of these VMs away from the host, or none of them (null): the largest first. */
  empty(source: HostState, vms: readonly VmFacts[]): Hop[] | null {
    const route: Hop[] = [];
    this.#emptied.add(source);
    this.#place(source);
    for (const vm of vms.toSorted((a, b) => expectedLoad(b).mean - expectedLoad(a).mean)) {
      const destination = this.find(vm, source);
      if (!destination) {
        this.takeBack(source, route);
        return null;
      }
      this.state.move(vm, destination);
      this.#place(destination);
      route.push({ vm, destination });
    }
    return route;
  }

  takeBack(source: HostState, route: readonly Hop[]): void {
    for (const { vm, destination } of route.toReversed()) {
      this.state.undo(vm);
      this.#place(destination);
    }
    this.#emptied.delete(source);
    this.#place(source);
  }

  /** Whether a move between these may be part of this plan: others are kept in mind, for a later one. */
  mayStart(source: HostState, destination: HostState, room: Room): boolean {
    const isFull = (host: HostState) => isFullOf(this.#started.get(host)!, host, room);
    return !isFull(source) && !isFull(destination);
  }

  start(...hosts: HostState[]): void {
    for (const host of hosts) this.#started.set(host, this.#started.get(host)! + 1);
  }

  #place(host: HostState): void {
    const hasRoom = freeMiB(host, this.#unlimited) >= this.#smallestMiB;
    if (hasRoom && !this.#emptied.has(host) && this.#isDestination(host)) this.#order.add(host);
    else this.#order.delete(host);
  }
}
