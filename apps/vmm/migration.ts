/** Migration as the VM's owner sees it: its QMP commands. */
import { randomUUID } from 'node:crypto';
import { bindCodec, stoppedPatienceMs, type PrecopyParameters } from '#migration';
import { boolean, integer, list, optional, QmpError, string, type QmpServer } from '#qmp';
import { layout, type Machine } from '#vmm';
import type { FailoverPair } from './devices/failover.js';
import { parseMigrationUri, type MigrationAddress } from './migration-address.js';
import { Arrival } from './migration-incoming.js';
import type { MigrationTask } from './migration-messages.js';
import { OutgoingMigration } from './migration-outgoing.js';
import { describeIncoming } from './migration-query.js';
import { MigrationSettings } from './migration-settings.js';
import type { TlsCredentials, TlsObjects } from './tls-credentials.js';
import type { Vm } from './vm.js';

/** Grows with every change to devices after which an older or newer build cannot take over their state. */
const BOARD_VERSION = 3;

export interface MigrationOptions {
  readonly codecModule: WebAssembly.Module;
  readonly tlsObjects: TlsObjects;
  /** One line for whoever reads this process's complaints. */
  readonly log: (line: string) => void;
  /** Cards that are devices of the host: they are not there while the VM moves. */
  readonly failoverPairs: readonly FailoverPair[];
}

export class Migration {
  private readonly settings: MigrationSettings;
  private outgoing: OutgoingMigration | null = null;
  private arrival: Arrival | null = null;

  constructor(
    private readonly qmp: QmpServer,
    private readonly vm: Vm,
    private readonly options: MigrationOptions,
  ) {
    this.settings = new MigrationSettings(qmp, {
      harts: vm.machine.memory.harts,
      isMigrating: () => this.outgoing !== null && !this.outgoing.isOver,
      onChange: (parameters) => this.setParameters(parameters),
    });
    const uri = migrationUri;
    const epoch = optional(integer(1));
    const identity = { 'x-drover-migration-id': optional(string), 'x-drover-epoch': epoch };
    const departure = { uri, resume: optional(boolean), ...identity, 'x-drover-block-jobs': optional(list(string)) };
    qmp.register('migrate', departure, (given) => {
      const { 'x-drover-migration-id': id = randomUUID(), 'x-drover-block-jobs': mirrors = [] } = given;
      if (given.resume) this.departing().order({ kind: 'resume', address: given.uri });
      else this.migrate(given.uri, id, mirrors, given['x-drover-epoch']);
    });
    qmp.register('migrate-start-postcopy', {}, () => this.startPostcopy());
    qmp.register('migrate-pause', {}, () => this.pause());
    qmp.register('migrate-recover', { uri }, (given) => this.recover(given.uri));
    qmp.register('migrate_cancel', {}, () => this.cancel());
    const arrival = { uri, 'x-drover-epoch': epoch, 'x-drover-checkpoint': optional(string) };
    qmp.register('migrate-incoming', arrival, (given) =>
      this.listen(given.uri, given['x-drover-epoch'], () => undefined, given['x-drover-checkpoint']),
    );
    qmp.register('x-drover-migrate-finish', {}, () => this.finish());
    qmp.register('query-migrate', {}, () => this.query());
    qmp.register('x-drover-ram-hash', {}, () => this.hashRam());
  }

  /**
   * Waits for the VM to come. `knownEpoch`: of its newest owner that is known; only a newer one may arrive. Resolves
   * when it listens; `onFailure` hears of the failure of the one migration that is waited for. `checkpoint`: file with its
   * memory from an earlier stay, which need not be sent again.
   */
  async listen(
    address: MigrationAddress,
    knownEpoch: number | undefined,
    onFailure: (message: string) => void,
    checkpoint: string | null = null,
  ): Promise<void> {
    const { qmp, vm, options } = this;
    if (vm.runState !== 'inmigrate')
      throw new QmpError(`a VM that is ${vm.runState} waits for none: use -incoming defer`);
    if (this.arrival && this.arrival.figures.status !== 'failed')
      throw new QmpError('it waits for a migration already');
    vm.epoch = knownEpoch ?? vm.epoch;
    const { recoverMs, answerMs } = this.settings.parameters;
    const tls = this.credentials('server');
    const times = { recoverMs, pageMs: stoppedPatienceMs(answerMs) };
    const role = { kind: 'incoming', address, epoch: vm.epoch, ...times, checkpoint, tls } as const;
    this.arrival = new Arrival(qmp, vm, this.task(role), {
      onStranger: (message) => options.log(`-incoming: refused a connection: ${message}`),
      onRefused: (message) => options.log(`migration: ${message}`),
      onStart: () => {
        for (const pair of options.failoverPairs) pair.allow();
      },
      onFailure: (message) => {
        options.log(`-incoming: the migration failed: ${message}`);
        onFailure(message);
      },
    });
    await this.arrival.listens();
    rehearse(vm.machine);
  }

  private migrate(
    address: MigrationAddress,
    migrationId: string,
    mirrors: readonly string[],
    epoch = this.vm.epoch + 1,
  ): void {
    const { qmp, vm } = this;
    if (this.outgoing && !this.outgoing.isOver) throw new QmpError('a migration is under way already');
    if (!['running', 'paused', 'watchdog', 'io-error', 'prelaunch'].includes(vm.runState)) {
      throw new QmpError(`a VM that is ${vm.runState} cannot be migrated`);
    }
    this.requireComplete();
    if (epoch <= vm.epoch) {
      throw new QmpError(
        `x-drover-epoch ${epoch}: this VM has epoch ${vm.epoch} here, its next owner needs a greater one`,
      );
    }
    const { postcopy, channels, unplugMs } = this.settings;
    const credentials = this.credentials('client');
    const hostname = this.settings.tls?.hostname || ('host' in address ? address.host : '');
    const tls = credentials && { credentials, hostname };
    const letGo = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const fixed = { kind: 'outgoing', address, migrationId, epoch, postcopy, channels, tls, letGo } as const;
    const log = (message: string) => this.options.log(`migration: ${message}`);
    this.outgoing = new OutgoingMigration(
      { qmp, vm, log, failoverPairs: this.options.failoverPairs },
      {
        migrationId,
        mirrors,
        unplugMs,
        letGo,
        task: () => this.task({ ...fixed, parameters: this.settings.parameters }),
      },
    );
  }

  /** Those that `tls-creds` names; null if it names none. */
  private credentials(endpoint: TlsCredentials['endpoint']): TlsCredentials | null {
    const { tls } = this.settings;
    return tls && this.options.tlsObjects.find(tls.credentials, endpoint);
  }

  private startPostcopy(): void {
    if (!this.settings.postcopy) throw new QmpError("enable capability 'postcopy-ram' before the migration starts");
    this.departing().order({ kind: 'startPostcopy' });
  }

  private departing(): OutgoingMigration {
    if (!this.outgoing || this.outgoing.isOver) throw new QmpError('there is no migration under way');
    return this.outgoing;
  }

  /** Breaks the connections of post-copy, from whichever side it is asked. */
  private pause(): void {
    if (this.outgoing && !this.outgoing.isOver) this.outgoing.order({ kind: 'pause' });
    else if (this.arrival && !this.arrival.isOver) this.arrival.order({ kind: 'pause' });
    else throw new QmpError('there is no migration under way');
  }

  private recover(address: MigrationAddress): Promise<void> {
    if (!this.arrival) throw new QmpError('no migration comes in here');
    return this.arrival.recover(address);
  }

  /** At the destination of a paused post-copy: it waits for its source no longer, and the VM is lost. */
  private cancel(): void {
    if (this.arrival && !this.arrival.isOver) this.arrival.order({ kind: 'giveUp' });
    else this.outgoing?.cancel();
  }

  private setParameters(parameters: PrecopyParameters): void {
    this.outgoing?.setParameters(parameters);
    if (this.arrival && !this.arrival.isOver) {
      this.arrival.order({ kind: 'recoverTime', ms: parameters.recoverMs });
    }
  }

  private requireComplete(): void {
    if (this.vm.machine.memory.isComplete) return;
    throw new QmpError('pages of this VM are still to come: wait until post-copy is completed');
  }

  private finish(): Promise<void> {
    if (!this.arrival) throw new QmpError('no migration comes in here');
    return this.arrival.finish();
  }

  /** The migration that leaves; the one that came, while there is no other; {} if there has been none. */
  private query(): Record<string, unknown> {
    if (this.outgoing) return this.outgoing.describe();
    if (this.arrival) return describeIncoming(this.arrival.figures, this.arrival.bound, this.vm.machine.memory);
    return {};
  }

  /** For tests that compare both ends: XXH64 of all RAM, which only a stopped VM has. */
  private hashRam(): { xxh64: string } {
    const { machine } = this.vm;
    if (machine.running) throw new QmpError('the VM is running: stop it first');
    this.requireComplete();
    const { memory, ramBytes, addresses } = machine.memory;
    const hash = bindCodec(this.options.codecModule, memory, addresses).xxh64(layout.RAM, ramBytes, 0n);
    return { xxh64: BigInt.asUintN(64, hash).toString(16).padStart(16, '0') };
  }

  private task<R extends MigrationTask['role']>(role: R): MigrationTask & { readonly role: R } {
    const { memory } = this.vm.machine.memory;
    return { memory, codecModule: this.options.codecModule, boardVersion: BOARD_VERSION, role };
  }
}

/** Takes over the machine's own state: code that runs for the first time is compiled then, which else were in the pause. */
function rehearse(machine: Machine): void {
  machine.restoreState(machine.saveState());
}

function migrationUri(value: unknown, name: string): MigrationAddress {
  try {
    return parseMigrationUri(string(value, name));
  } catch (error) {
    throw error instanceof QmpError ? error : new QmpError((error as Error).message);
  }
}
