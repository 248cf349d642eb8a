/** Fills hosts: the fullest first on which a VM still has room, so that others become empty. */
import type { SchedulingPolicy } from '#contracts';
import type { ClusterState } from './cluster-state.js';
import { type HostState, expectedLoad } from './host-state.js';
import type { VmFacts } from './facts.js';
import { type Room, isFullOf, obstacleTo } from './room.js';
import { type Score, isPressed, scoreOf } from './score.js';

interface Hop {
  readonly vm: VmFacts;
  readonly destination: HostState;
}

export class Packing {
  /** Hosts that VMs were sent to by this plan: they are not emptied by it. */
  readonly received = new Set<HostState>();
  /** Hosts in the order in which they are filled. */
  readonly #order: HostState[];
  readonly #keys: number[];
  readonly #emptied = new Set<HostState>();
  readonly #started = new Map<HostState, number>();
  readonly #score: Score;
  readonly #unlimited: Room;

  constructor(
    private readonly state: ClusterState,
    room: Room,
    policy: SchedulingPolicy,
  ) {
    this.#unlimited = { ...room, maxMigrationsPerHost: Infinity };
    const score = scoreOf(policy, state);
    // Soft rules are looked at for each VM; the order of the hosts is that of their own scores.
    const nobody = {
      id: '',
      name: '',
      hostId: null,
      cpuUsedCores: 0,
      memoryMiB: 0,
      networkUsedMiBps: 0,
      vcpus: 0,
      history: null,
      recentMoves: [],
    };
    this.#score = (host) => score(host, nobody);
    const hosts = state.hostsUp.filter((host) => !isPressed(host, policy));
    this.#order = hosts.toSorted((a, b) => this.#key(a) - this.#key(b) || a.index - b.index);
    this.#keys = this.#order.map((host) => this.#key(host));
    for (const host of state.hosts) this.#started.set(host, host.migrations);
  }

  /** The host for the VM; no soft rule may be broken that holds now. Empty hosts are used only if told so. */
  find(vm: VmFacts, source: HostState, { emptyToo = false } = {}): HostState | null {
    const { mean } = expectedLoad(vm);
    const { affinity } = this.state;
    const penalty = affinity.penalty(vm.id, source.index);
    const together = affinity.companionsOf(vm, source.vms).filter((other) => !this.state.isMoving(other)).length;
    for (const host of this.#order) {
      if (host === source || this.#emptied.has(host)) continue;
      if (!emptyToo && host.residents.size === 0) continue;
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
    this.received.add(destination);
    this.start(source, destination);
    this.#reorder(source);
    this.#reorder(destination);
  }

  /** Sends all of these VMs away from the host, or none of them (null): the largest first. */
  empty(source: HostState, vms: readonly VmFacts[]): Hop[] | null {
    const route: Hop[] = [];
    this.#emptied.add(source);
    for (const vm of vms.toSorted((a, b) => expectedLoad(b).mean - expectedLoad(a).mean)) {
      const destination = this.find(vm, source);
      if (!destination) {
        this.takeBack(route);
        this.#emptied.delete(source);
        return null;
      }
      this.state.move(vm, destination);
      this.#reorder(destination);
      route.push({ vm, destination });
    }
    for (const { destination } of route) this.received.add(destination);
    return route;
  }

  takeBack(route: readonly Hop[]): void {
    for (const { vm, destination } of route.toReversed()) {
      this.state.undo(vm);
      this.#reorder(destination);
      this.#emptied.delete(this.state.host(vm.hostId));
    }
  }

  /** Whether a move between these may be part of this plan: others are kept in mind, for a later one. */
  mayStart(source: HostState, destination: HostState, room: Room): boolean {
    const isFull = (host: HostState) => isFullOf(this.#started.get(host)!, host, room);
    return !isFull(source) && !isFull(destination);
  }

  start(...hosts: HostState[]): void {
    for (const host of hosts) this.#started.set(host, this.#started.get(host)! + 1);
  }

  #key(host: HostState): number {
    return this.#score(host, undefined as never);
  }

  #reorder(host: HostState): void {
    const from = this.#order.indexOf(host);
    if (from < 0) return;
    this.#order.splice(from, 1);
    this.#keys.splice(from, 1);
    const key = this.#key(host);
    let to = 0;
    while (
      to < this.#order.length &&
      (this.#keys[to]! < key || (this.#keys[to] === key && this.#order[to]!.index < host.index))
    )
      to++;
    this.#order.splice(to, 0, host);
    this.#keys.splice(to, 0, key);
  }
}
