/** The means of one migration against its guest: what the controller has decided is applied, or what is decided here. */
import type { MigrationStep } from '#contracts';
import { decide } from '#convergence';
import type { DeparturePorts } from './departure-ports.js';
import type { MigrationRecord } from './migration-record.js';
import { DestinationPeer } from './peer.js';
import type { RecordFile } from './record-file.js';
import type { Wakeup } from './wakeup.js';

type Ports = Pick<DeparturePorts, 'vms' | 'converger' | 'heardAtMs' | 'log'>;

export class DepartureMeans {
  constructor(
    private readonly record: RecordFile,
    private readonly ports: Ports,
    private readonly wakeup: Wakeup,
  ) {}

  /** If the controller has been silent for too long, decides by the same rule. */
  async decideAlone(): Promise<void> {
    const { migrationId, order, report } = this.record.now;
    const nowMs = Date.now();
    if (!report.facts || nowMs - this.ports.heardAtMs() < order.decideAloneAfterSeconds * 1000) return;
    const { action, step, reason, figures } = decide(report.facts, order.convergence, nowMs);
    const number = report.decisions.length + 1;
    if (step)
      await this.take({ ...step, migrationId, number, reason, figures, restart: action === 'restart' }, 'agent');
  }

  /** Writes a decision down, and applies it; what comes of it is told with the next report. */
  async take(step: MigrationStep, by: 'controller' | 'agent'): Promise<void> {
    const { vms, converger, log } = this.ports;
    const { migrationId, number, means, value, reason, figures, restart } = step;
    const record = this.record.now;
    const { vmId, order, report } = record;
    const pass = report.facts?.passes.at(-1)?.number ?? 0;
    const decision = { number, at: new Date().toISOString(), by, means, value, reason, figures, pass, failure: null };
    const decisions = [...report.decisions, { ...decision, restarted: restart }];
    const note = (change: Partial<MigrationRecord>) => this.record.update(change);
    note({ report: { ...report, decisions }, isRestarting: restart });
    log.info({ migrationId, vmId, by, means, value, restart }, reason);
    if (restart) return this.wakeup.ring();
    try {
      const process = vms.processOf(vmId);
      await converger.apply(record, step, process, new DestinationPeer(order), ({ offlineVcpus }) =>
        note({ outside: { offlineVcpus: [...offlineVcpus] } }),
      );
      const { order: now } = this.record.now;
      if (means === 'downtime_limit') note({ order: { ...now, downtimeLimitMs: value! } });
    } catch (error) {
      const { message } = error as Error;
      log.warn({ migrationId, vmId, means, value }, `it could not be applied: ${message}`);
      const { report: now } = this.record.now;
      const failed = now.decisions.map((each) => (each.number === number ? { ...each, failure: message } : each));
      note({ report: { ...now, decisions: failed } });
    }
  }

  /** Takes all of them back. Never throws: what cannot be undone is in the log. */
  async undo(record: MigrationRecord, stays: boolean): Promise<void> {
    const { vms, converger, log } = this.ports;
    const { migrationId, vmId } = record;
    try {
      await converger.undo(record, vms.process(vmId), stays);
    } catch (error) {
      log.warn({ migrationId, vmId }, `not all is as it was before the migration: ${(error as Error).message}`);
    }
  }
}
