/**
 * A cluster in simulated time. Things happen at discrete moments: a step of the traces, a look of whoever decides, the
 * end of a migration or of a boot, a failure. In between, load goes along straight lines.
 */
import {
  type HostDescription,
  type SimulatedMigration,
  type VmDescription,
  SimulatedHost,
  SimulatedVm,
} from './cluster.js';
import { EventQueue } from './events.js';
import { percentAt } from './trace.js';

/** Half of a link is for migrations, the other half for VMs (CloudSim 3.0.3, PowerDatacenter). */
const MIGRATION_LINK_SHARE = 0.5;
const BITS_PER_MIB = 8;

export interface SimulationSetUp {
  readonly hosts: readonly HostDescription[];
  readonly vms: readonly VmDescription[];
  /** Host of each VM at the beginning. */
  readonly placement: ReadonlyMap<string, string>;
  readonly failures?: readonly HostFailure[];
  /** See SimulatedHost. */
  readonly idleIsOff?: boolean;
}

/** A host fails with all that runs on it, and both come back. */
export interface HostFailure {
  readonly hostId: string;
  readonly atS: number;
  readonly forS: number;
}

export interface Decision {
  readonly moves: readonly { readonly vmId: string; readonly destinationHostId: string }[];
  readonly hostActions: readonly { readonly hostId: string; readonly action: HostActionName }[];
}

export type HostActionName = 'activate' | 'deactivate' | 'power_on' | 'power_off';

/** Whoever decides. */
export interface Director {
  decide(simulation: Simulation): Decision;
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
  /** Migrations that have ended since somebody asked. */
  #ended: EndedMigration[] = [];

  /** @throws RangeError if a VM has no host, or one that is not there. */
  constructor({ hosts, vms, placement, failures = [], idleIsOff = false }: SimulationSetUp) {
    this.hosts = hosts.map((host) => new SimulatedHost(host, idleIsOff));
    this.#hostsById = new Map(this.hosts.map((host) => [host.description.id, host]));
    this.vms = vms.map((vm) => new SimulatedVm(vm, this.host(placement.get(vm.id) ?? '')));
    this.#vmsById = new Map(this.vms.map((vm) => [vm.description.id, vm]));
    for (const vm of this.vms) vm.host.vms.add(vm);
    for (const host of this.hosts) host.share();
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
      this.carryOut(director.decide(this));
    });
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

  carryOut({ moves, hostActions }: Decision): void {
    for (const { hostId, action } of hostActions) this.#actOn(this.host(hostId), action);
    for (const { vmId, destinationHostId } of moves) this.#migrate(this.vm(vmId), this.host(destinationHostId));
  }

  /** What has ended since the last call. */
  takeEndedMigrations(): readonly EndedMigration[] {
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  /** The VM ends for good, and leaves its host. */
  stop(vm: SimulatedVm): void {
    if (vm.migration) throw new RangeError(`VM ${vm.description.name} is on its way`);
    vm.host.advance(this.nowS);
    vm.host.vms.delete(vm);
    vm.host.share();
  }

  #actOn(host: SimulatedHost, action: HostActionName): void {
    const isEmpty = host.vms.size === 0 && host.arriving.size === 0;
    switch (action) {
      case 'activate':
        host.changeStatus('up');
        host.isParked = false;
        return;
      case 'deactivate':
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
      case 'power_on':
        if (host.power !== 'off') return;
        host.switchPower('booting', this.nowS);
        this.powerSwitches++;
        this.#events.announce(this.nowS + host.description.bootSeconds, () => {
          if (host.power !== 'booting') return;
          host.switchPower('on', this.nowS);
          host.changeStatus('up');
          host.isParked = false;
        });
    }
  }

  #migrate(vm: SimulatedVm, destination: SimulatedHost): void {
    const source = vm.host;
    if (vm.migration || source === destination || source.power !== 'on') return;
    const migration: SimulatedMigration = { vm, source, destination, startedS: this.nowS };
    vm.migration = migration;
    destination.arriving.add(vm);
    this.migrationsStarted++;
    for (const end of [source, destination]) end.share();
    this.#events.announce(this.nowS + secondsToCopy(vm, source, destination, this.nowS), () => {
      if (vm.migration === migration) this.#arrive(migration, true);
    });
  }

  #arrive({ vm, source, destination }: SimulatedMigration, didSucceed: boolean): void {
    for (const end of [source, destination]) end.advance(this.nowS);
    destination.arriving.delete(vm);
    vm.migration = null;
    if (didSucceed) {
      source.vms.delete(vm);
      destination.vms.add(vm);
      vm.host = destination;
    } else {
      this.migrationsFailed++;
    }
    for (const end of [source, destination]) end.share();
    this.#ended.push({ vm, source, destination, didSucceed, atS: this.nowS });
  }

  #fail(host: SimulatedHost): void {
    for (const vm of [...host.arriving, ...host.vms]) if (vm.migration) this.#arrive(vm.migration, false);
    host.switchPower('off', this.nowS);
    if (host.status !== 'non_responsive') host.changeStatus('non_responsive');
  }

  #recover(host: SimulatedHost): void {
    host.switchPower('on', this.nowS);
    if (host.status === 'non_responsive') host.changeStatus('up');
  }
}

export interface EndedMigration {
  readonly vm: SimulatedVm;
  readonly source: SimulatedHost;
  readonly destination: SimulatedHost;
  readonly didSucceed: boolean;
  readonly atS: number;
}

/** Memory over what a migration may use of the slower link. */
function secondsToCopy(vm: SimulatedVm, source: SimulatedHost, destination: SimulatedHost, nowS: number): number {
  const { memoryMiB, memory } = vm.description;
  const usedMiB = memory ? (memoryMiB * percentAt(memory, nowS)) / 100 : memoryMiB;
  const linkMbps = Math.min(source.description.linkMbps, destination.description.linkMbps);
  return (usedMiB * BITS_PER_MIB) / (linkMbps * MIGRATION_LINK_SHARE);
}
