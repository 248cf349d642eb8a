/**
 * A cluster in simulated time. Things happen at discrete moments: a step of the traces, a look of whoever decides, a step
 * or the end of a migration, the end of a boot, a failure. In between, load goes along straight lines.
 */
import {
  type HostDescription,
  type SimulatedMigration,
  type VmDescription,
  SimulatedHost,
  SimulatedVm,
} from './cluster.js';
import type { CopyingPolicy } from './copying.js';
import type { Decision, HostActionName, Order } from './decision.js';
import { EventQueue } from './events.js';
import { type Link, linkOf } from './link.js';

/** Ends of migrations are heard of with the next heartbeat. */
const HEARTBEAT_S = 1;

export interface SimulationSetUp {
  readonly hosts: readonly HostDescription[];
  readonly vms: readonly VmDescription[];
  /** Host of each VM at the beginning. */
  readonly placement: ReadonlyMap<string, string>;
  readonly failures?: readonly HostFailure[];
  /** See SimulatedHost. */
  readonly idleIsOff?: boolean;
  /** By which migrations are carried out; absent: each takes as long as in CloudSim (see link.ts). */
  readonly migrationPolicy?: CopyingPolicy | null;
}

/** A host fails with all that runs on it, and both come back; or not, within the time that is simulated. */
export interface HostFailure {
  readonly hostId: string;
  readonly atS: number;
  readonly forS: number;
}

/** Whoever decides. */
export interface Director {
  /** What is to be done now. Each decision is carried out before the next one is asked for. */
  decide(simulation: Simulation): Iterable<Decision>;
  /** The same when migrations have ended meanwhile. */
  follow?(simulation: Simulation): Iterable<Decision>;
}

export interface RunTimes {
  readonly untilS: number;
  /** How often figures are taken, which is also how often all loads change. */
  readonly stepS: number;
  /** How often the director looks. */
  readonly decideEveryS: number;
}

export class Simulation {
  readonly hosts: readonly SimulatedHost[];
  readonly vms: readonly SimulatedVm[];
  nowS = 0;
  migrationsStarted = 0;
  migrationsFailed = 0;
  powerSwitches = 0;
  readonly #hostsById: ReadonlyMap<string, SimulatedHost>;
  readonly #vmsById: ReadonlyMap<string, SimulatedVm>;
  readonly #events = new EventQueue();
  readonly #link: Link;
  /** Ids of all migrations that were ever ordered. */
  readonly #ordered = new Set<string>();
  /** Migrations that have ended, until somebody has heard. */
  readonly #ended = new Map<string, EndedMigration>();
  #director: Director | null = null;
  #followsAtS = 0;

  /** @throws RangeError if a VM has no host, or one that is not there. */
  constructor({ hosts, vms, placement, failures = [], idleIsOff = false, migrationPolicy = null }: SimulationSetUp) {
    this.hosts = hosts.map((host) => new SimulatedHost(host, idleIsOff));
    this.#hostsById = new Map(this.hosts.map((host) => [host.description.id, host]));
    this.vms = vms.map((vm) => new SimulatedVm(vm, this.host(placement.get(vm.id) ?? '')));
    this.#vmsById = new Map(this.vms.map((vm) => [vm.description.id, vm]));
    for (const vm of this.vms) vm.host.vms.add(vm);
    for (const host of this.hosts) host.share();
    this.#link = linkOf(migrationPolicy, this.#events, () => this.nowS);
    for (const { hostId, atS, forS } of failures) {
      const host = this.host(hostId);
      this.#events.announce(atS, () => this.#fail(host));
      this.#events.announce(atS + forS, () => this.#recover(host));
    }
  }

  host(id: string): SimulatedHost {
    const host = this.#hostsById.get(id);
    if (!host) throw new RangeError(`there is no host "${id}"`);
    return host;
  }

  vm(id: string): SimulatedVm {
    const vm = this.#vmsById.get(id);
    if (!vm) throw new RangeError(`there is no VM "${id}"`);
    return vm;
  }

  /** What is known of migrations: how long they took, what had to be done about guests. */
  get migrationFigures() {
    return this.#link.figures;
  }

  /** Goes on until `untilS`. `onStep` is called after each step, before anything is decided. */
  run(director: Director, { untilS, stepS, decideEveryS }: RunTimes, onStep: () => void = () => {}): void {
    const again = (everyS: number, happen: () => void) => {
      const first = (Math.floor(this.nowS / everyS) + 1) * everyS;
      const next = (atS: number) =>
        this.#events.announce(atS, () => {
          happen();
          next(atS + everyS);
        });
      next(first);
    };
    again(stepS, () => {
      this.advanceAll();
      onStep();
    });
    again(decideEveryS, () => {
      if (this.nowS >= untilS) return;
      this.advanceAll();
      for (const decision of director.decide(this)) this.carryOut(decision);
    });
    this.#director = director;
    while (this.#events.nextAtS <= untilS) {
      const event = this.#events.take();
      this.nowS = event.atS;
      event.happen();
    }
    this.nowS = untilS;
    this.advanceAll();
  }

  advanceAll(): void {
    for (const host of this.hosts) host.advance(this.nowS);
  }

  carryOut({ moves, hostActions, vmActions = [], heard = [] }: Decision): void {
    for (const id of heard) this.#ended.delete(id);
    for (const { hostId, action } of hostActions) this.#actOn(this.host(hostId), action);
    for (const { vmId, action, hostId } of vmActions) {
      if (action === 'stop') this.stop(this.vm(vmId));
      else this.#start(this.vm(vmId), this.host(hostId));
    }
    for (const order of moves) this.#migrate(order);
  }

  /** Migrations that have ended, until they are `heard`; what was ordered and never begun among them. */
  get endedMigrations(): readonly EndedMigration[] {
    return [...this.#ended.values()];
  }

  /** Whether the hosts have heard of the order. */
  hasHeard(migrationId: string): boolean {
    return this.#ordered.has(migrationId);
  }

  /** The VM ends, and leaves its host. */
  stop(vm: SimulatedVm): void {
    if (vm.migration) throw new RangeError(`VM ${vm.description.name} is on its way`);
    vm.host.advance(this.nowS);
    vm.host.vms.delete(vm);
    vm.host.share();
  }

  #start(vm: SimulatedVm, host: SimulatedHost): void {
    if (!vm.isDown) return;
    host.advance(this.nowS);
    vm.host = host;
    vm.requestedMips = vm.requestAt(this.nowS);
    host.vms.add(vm);
    host.share();
  }

  #actOn(host: SimulatedHost, action: HostActionName): void {
    const isEmpty = host.vms.size === 0 && host.arriving.size === 0;
    switch (action) {
      case 'activate':
        host.changeStatus('up');
        host.isParked = false;
        return;
      case 'deactivate':
        host.changeStatus('preparing_for_maintenance');
        return;
      case 'enter_maintenance':
        if (isEmpty) host.changeStatus('maintenance');
        return;
      case 'park':
        if (!isEmpty) return;
        host.changeStatus('preparing_for_maintenance');
        host.changeStatus('maintenance');
        host.isParked = true;
        return;
      case 'power_off':
        if (!isEmpty || host.power !== 'on') return;
        host.switchPower('off', this.nowS);
        this.powerSwitches++;
        return;
      case 'power_cycle':
        if (!isEmpty || host.power !== 'on') return;
        return this.#boot(host, () => {});
      case 'power_on':
        if (host.power !== 'off') return;
        this.#boot(host, () => {
          host.changeStatus('up');
          host.isParked = false;
        });
    }
  }

  #boot(host: SimulatedHost, hasBooted: () => void): void {
    host.switchPower('booting', this.nowS);
    this.powerSwitches++;
    this.#events.announce(this.nowS + host.description.bootSeconds, () => {
      if (host.power !== 'booting') return;
      host.switchPower('on', this.nowS);
      hasBooted();
    });
  }

  #migrate({ migrationId = `order ${this.#ordered.size}`, vmId, destinationHostId }: Order): void {
    if (this.#ordered.has(migrationId)) return;
    this.#ordered.add(migrationId);
    const [vm, destination] = [this.vm(vmId), this.host(destinationHostId)];
    const source = vm.host;
    const migration: SimulatedMigration = { id: migrationId, vm, source, destination, startedS: this.nowS };
    if (vm.migration || vm.isDown || source === destination || source.power !== 'on') {
      this.#tell(migration, false);
      return;
    }
    vm.migration = migration;
    destination.arriving.add(vm);
    this.migrationsStarted++;
    for (const end of [source, destination]) {
      end.advance(this.nowS);
      end.share();
    }
    this.#link.begin(migration, (hasArrived) => this.#end(migration, hasArrived));
  }

  #end(migration: SimulatedMigration, hasArrived: boolean): void {
    const { vm, source, destination } = migration;
    for (const end of [source, destination]) end.advance(this.nowS);
    destination.arriving.delete(vm);
    vm.migration = null;
    vm.throttlePercent = 0;
    if (hasArrived) {
      source.vms.delete(vm);
      destination.vms.add(vm);
      vm.host = destination;
    } else {
      this.migrationsFailed++;
    }
    for (const end of [source, destination]) end.share();
    this.#tell(migration, hasArrived);
  }

  #tell({ id, vm, source, destination }: SimulatedMigration, hasArrived: boolean): void {
    this.#ended.set(id, { id, vm, source, destination, hasArrived, atS: this.nowS });
    const director = this.#director;
    if (!director?.follow || this.#followsAtS > this.nowS) return;
    this.#followsAtS = this.nowS + HEARTBEAT_S;
    this.#events.announce(this.#followsAtS, () => {
      for (const decision of director.follow!(this)) this.carryOut(decision);
    });
  }

  #fail(host: SimulatedHost): void {
    for (const vm of [...host.arriving, ...host.vms]) {
      const { migration } = vm;
      if (!migration) continue;
      this.#link.abandon(migration);
      this.#end(migration, false);
    }
    host.switchPower('off', this.nowS);
    if (host.status !== 'non_responsive') host.changeStatus('non_responsive');
  }

  #recover(host: SimulatedHost): void {
    host.switchPower('on', this.nowS);
    if (host.status === 'non_responsive') host.changeStatus('up');
  }
}

export interface EndedMigration {
  readonly id: string;
  readonly vm: SimulatedVm;
  readonly source: SimulatedHost;
  readonly destination: SimulatedHost;
  readonly hasArrived: boolean;
  readonly atS: number;
}
