/** The migrations that take VMs away from this host: who is asked about one finds its `Departure` here. */
import type { HeartbeatAnswer, MigrationParameters, MigrationReport, MigrationStep } from '#contracts';
import { VmRefusal } from '../vms/vm-refusal.js';
import type { DeparturePorts } from './departure-ports.js';
import { Departure } from './departure.js';
import { type MigrateJob, newMigrationRecord } from './migration-record.js';

export class OutgoingMigrations {
  private readonly departures = new Map<string, Departure>();
  private isClosed = false;

  constructor(private readonly ports: DeparturePorts) {}

  /** After a start of the agent: goes on with what had been begun. */
  resumeAll(): void {
    for (const { migrationId, phase } of this.ports.store.all()) if (phase !== 'ended') this.run(migrationId);
  }

  /** Takes an order on; it is carried out from here, job or no job. The same order again changes nothing. */
  begin(order: MigrateJob): void {
    const { store, vms, log } = this.ports;
    const { migrationId, vmId, epoch } = order;
    const vm = vms.record(vmId);
    const hasLeft = vm?.phase === 'gone' && vm.epoch >= epoch;
    if (store.get(migrationId) || hasLeft) {
      log.info({ migrationId, vmId }, 'order to migrate ignored: it has been taken on before');
      return;
    }
    store.put(migrationId, newMigrationRecord(order, new Date().toISOString()));
    this.run(migrationId);
  }

  reports(): MigrationReport[] {
    return this.ports.store
      .all()
      .map(({ report }) => ({ ...report, facts: report.facts && { ...report.facts, decisions: [] } }));
  }

  /** The controller has stored how it ended, as it was `told`. */
  forget(migrationId: string, told: MigrationReport | undefined): void {
    const { store, migrationLog } = this.ports;
    const record = store.get(migrationId);
    if (record?.phase !== 'ended' || (told?.log.length === 0 && record.report.log.length > 0)) return;
    store.remove(migrationId);
    this.departures.delete(migrationId);
    migrationLog.forget(migrationId);
  }

  /** Asks for its end; past the point of no return nothing comes of it. Throws VmRefusal if there is none. */
  cancel(migrationId: string): void {
    this.find(migrationId).cancel();
  }

  /** Changes limits, now and for what is still to be ordered. Throws VmRefusal if there is none, or it is too late. */
  async setParameters(migrationId: string, parameters: MigrationParameters): Promise<void> {
    await this.find(migrationId).setParameters(parameters);
  }

  /** Carries out what the controller has decided; a step that has been taken already, or comes too late, is passed over. */
  async takeSteps(steps: readonly MigrationStep[]): Promise<void> {
    for (const step of steps) {
      const record = this.ports.store.get(step.migrationId);
      if (record?.phase !== 'perform' || step.number !== record.report.decisions.length + 1) continue;
      await this.find(step.migrationId).means.take(step, 'controller');
    }
  }

  /** What is each migration's of its hosts' links now. Never throws: the controller says it again. */
  async takeBandwidths(bandwidths: HeartbeatAnswer['bandwidths']): Promise<void> {
    const { store, log } = this.ports;
    for (const { migrationId, bandwidthMiBps } of bandwidths) {
      const record = store.get(migrationId);
      if (!record || record.order.bandwidthMiBps === bandwidthMiBps) continue;
      const departure = this.find(migrationId);
      if (!departure.hasLimits) continue;
      log.info({ migrationId, vmId: record.vmId, bandwidthMiBps }, 'its share of the link has changed');
      const failed = (error: Error) => log.warn({ migrationId }, `not applied: ${error.message}`);
      await departure.setParameters({ bandwidthMiBps }).catch(failed);
    }
  }

  /** The agent ends; what has been begun goes on in the VMs' processes, and here at the next start. */
  close(): void {
    this.isClosed = true;
    for (const departure of this.departures.values()) departure.close();
  }

  private run(migrationId: string): void {
    if (!this.isClosed) this.find(migrationId).run();
  }

  private find(migrationId: string): Departure {
    if (!this.ports.store.get(migrationId))
      throw new VmRefusal('not_found', `this host does not carry out a migration ${migrationId}`);
    const departure = this.departures.get(migrationId) ?? new Departure(migrationId, this.ports);
    this.departures.set(migrationId, departure);
    return departure;
  }
}
