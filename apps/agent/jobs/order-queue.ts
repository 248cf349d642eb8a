/** Takes the controller's orders from this host's queue. An order that takes long is handed over, not held. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { HostJob } from '#contracts';
import { type HostWorker, openHostWorker } from '#queue';
import { AgentContext } from '../agent-context.js';

/** Orders carried out at once; those for the same VM wait for each other. */
const CONCURRENCY = 16;
const RETRY_MS = 1_000;
/** The same trouble is logged once in this time. */
const QUIET_MS = 60_000;

@Injectable()
export class OrderQueue {
  private worker: HostWorker | null = null;
  private isClosed = false;
  private lastTrouble = { message: '', atMs: 0 };

  constructor(private readonly agent: AgentContext) {}

  /** Opens the queue as soon as the host has enrolled and the queue's server answers. */
  async open(): Promise<void> {
    while (!this.isClosed && !this.worker) {
      const access = this.agent.identity.enrolled?.queue;
      if (access) await this.tryToOpen(access);
      if (!this.worker) await sleep(RETRY_MS, undefined, { ref: false });
    }
    if (this.isClosed) await this.worker?.close();
  }

  /** Takes no more orders; returns when those under way are done. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.worker?.close();
  }

  private async tryToOpen(access: Parameters<typeof openHostWorker>[0]): Promise<void> {
    const options = { concurrency: CONCURRENCY, onError: (error: Error) => this.note(error) };
    try {
      this.worker = await openHostWorker(access, (job) => this.carryOut(job), options);
      this.agent.log.info({ queue: access.queue, backend: access.backend }, 'queue opened');
    } catch (error) {
      this.note(error as Error);
    }
  }

  private async carryOut(job: HostJob): Promise<void> {
    const { orders, outgoing, commands, log } = this.agent;
    if (job.kind === 'command') return commands.begin(job);
    const { kind, vmId, epoch } = job;
    log.info({ kind, vmId, epoch, ...('migrationId' in job && { migrationId: job.migrationId }) }, 'order');
    switch (job.kind) {
      case 'start':
        return orders.start(vmId, epoch, job.spec, job.makeDisks);
      case 'remove_disks':
        return orders.removeDisks(vmId, epoch, job.disks);
      case 'stop':
        return orders.stop(vmId, epoch, job.mode, 'stopped by order');
      case 'pause':
        return orders.pause(vmId, epoch);
      case 'resume':
        return orders.resume(vmId, epoch);
      case 'migrate':
        return outgoing.begin(job);
    }
  }

  private note({ message }: Error): void {
    const nowMs = Date.now();
    if (message === this.lastTrouble.message && nowMs - this.lastTrouble.atMs < QUIET_MS) return;
    this.lastTrouble = { message, atMs: nowMs };
    this.agent.log.warn(`queue: ${message}`);
  }
}
