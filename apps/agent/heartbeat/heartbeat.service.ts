/** Tells the controller what is on this host, and does what it answers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Heartbeat, HeartbeatAnswer } from '#contracts';
import { AgentContext } from '../agent-context.js';
import { readLinkMiBps } from '../host/link.js';
import { PressureMeter } from '../host/measure.js';
import { networkMiBpsOf, type TrafficReading } from '../network/traffic.js';
import { NO_FIGURES, reportVm } from '../vms/report.js';
import { assembleHeartbeat } from './assemble.js';
import { ControllerRefusal } from './controller-link.js';
import { isDue, type Sent } from './is-due.js';

/** A switch that is busy must not hold up the news: its figures are unknown then. */
const SWITCH_PATIENCE_MS = 500;

@Injectable()
export class HeartbeatService {
  private current: Promise<void> | null = null;
  private sent: Sent | null = null;
  private peersDigest: string | null = null;
  /** What was last wrong, so that a state is logged once and not each time. */
  private trouble: string | null = null;

  private readonly pressure: PressureMeter;
  /** As of the heartbeat before. */
  private traffic: TrafficReading | null = null;

  constructor(
    private readonly agent: AgentContext,
    schedule: SchedulerRegistry,
  ) {
    const { heartbeatIntervalMs } = agent.config;
    this.pressure = new PressureMeter(heartbeatIntervalMs);
    schedule.addInterval(
      'heartbeat',
      setInterval(() => void this.beat(), heartbeatIntervalMs),
    );
  }

  /** Sends the present state if it is due, unless the last heartbeat is still on its way. Never throws. */
  async beat(): Promise<void> {
    if (this.current || !this.agent.isReady) return;
    this.current = this.send().then(
      (isSent) => (isSent ? this.noteSuccess() : undefined),
      (error: Error) => this.noteTrouble(error),
    );
    await this.current;
    this.current = null;
  }

  /** Sends the state once more before the agent ends, whether or not anybody hears it. */
  async sayFarewell(): Promise<void> {
    await this.current;
    this.sent = null;
    await this.beat();
  }

  /** False: there was nothing to tell yet. */
  private async send(): Promise<boolean> {
    const { controller, identity, health, probes } = this.agent;
    const enrolled = identity.enrolled ?? (await this.agent.enrol());
    const told = await this.assemble();
    const atMs = Date.now();
    if (!isDue(told, this.sent, atMs)) return false;
    this.sent = null; // until it is answered, the next one is due
    try {
      const answer = await controller.beat(enrolled.heartbeatToken, told);
      await this.obey(answer, told);
      this.sent = { atMs, told, nextMs: answer.nextHeartbeatMs };
    } catch (error) {
      if (told.health) health.giveBack(told.health);
      probes.giveBack(told.probes);
      throw error;
    }
    return true;
  }

  private async assemble(): Promise<Heartbeat> {
    const { config, vms, meter, outgoing, checkpoints, url, version, tunnelAddress, isolation, hypervisors } =
      this.agent;
    const { health, commands, network, probes, storage } = this.agent;
    const now = new Date();
    const measured = await Promise.all(
      vms.records().map(async (record) => [record.vmId, await meter.measure(record, now.getTime())] as const),
    );
    const figures = new Map(measured);
    const pressure = await this.pressure.read();
    const before = this.traffic;
    const traffic = await Promise.race([network.traffic(), sleep(SWITCH_PATIENCE_MS, before, { ref: false })]);
    this.traffic = traffic;
    // From here on nothing waits: VMs and migrations are told as of the same moment.
    const reports = vms.records().map((record) => {
      const networkUsedMiBps = networkMiBpsOf(record.vmId, record.spec, before, traffic);
      return reportVm(record, { ...(figures.get(record.vmId) ?? NO_FIGURES), networkUsedMiBps });
    });
    const { cpuCores, memoryMiB } = config;
    const host = { agentUrl: url, agentVersion: version, tunnelAddress, cpuCores, memoryMiB };
    const promisedMiB = vms.promisedMiB();
    return assembleHeartbeat(
      now,
      {
        ...host,
        promisedMiB,
        pressure,
        linkMiBps: config.linkMiBps ?? readLinkMiBps(),
        isolation: isolation.measures,
        drivers: hypervisors.told,
        health: health.take(now.getTime()),
        commands: commands.reports(),
        hostDevices: [...config.hostDevices.keys()],
        probes: probes.take(now.getTime()),
        peersDigest: this.peersDigest,
        storage: storage.known(now.getTime()),
      },
      reports,
      outgoing.reports(),
      checkpoints.list(),
    );
  }

  private async obey(answer: HeartbeatAnswer, told: Heartbeat): Promise<void> {
    const { forgetVms, forgetMigrations, destroyVms, finishVms, peers, steps, bandwidths } = answer;
    const { forgetCheckpoints, checkpointLimitMiB } = answer;
    const { orders, outgoing, transfers, checkpoints, network, identity } = this.agent;
    if (answer.storagePaths) this.agent.storage.watch(answer.storagePaths);
    if (answer.wantsHealth) this.agent.health.ask();
    for (const runId of answer.forgetCommands) this.agent.commands.forget(runId);
    if (peers) await network.setPeers(identity.enrolled!.hostId, peers);
    this.peersDigest = answer.peersDigest;
    await outgoing.takeSteps(steps);
    await outgoing.takeBandwidths(bandwidths);
    const toldOf = new Map(told.migrations.map((report) => [report.migrationId, report]));
    for (const migrationId of forgetMigrations) outgoing.forget(migrationId, toldOf.get(migrationId));
    for (const vmId of forgetCheckpoints) checkpoints.remove(vmId, 'the controller says that it is not to be kept');
    if (checkpointLimitMiB !== null) checkpoints.keepWithin(checkpointLimitMiB);
    await Promise.all(forgetVms.map(({ vmId, epoch }) => orders.forget(vmId, epoch)));
    const toldAs = new Map(told.vms.map(({ vmId, status }) => [vmId, status]));
    await Promise.all(destroyVms.map(({ vmId, epoch }) => orders.destroy(vmId, epoch, toldAs.get(vmId)!)));
    await Promise.all(finishVms.map(({ vmId, epoch }) => transfers.finish(vmId, epoch)));
  }

  private noteSuccess(): void {
    if (this.trouble) this.agent.log.info('the controller answers again');
    this.trouble = null;
  }

  private noteTrouble(error: Error): void {
    if (error.message === this.trouble) return;
    this.trouble = error.message;
    const isRefused = error instanceof ControllerRefusal && [401, 403].includes(error.status);
    const remedy = isRefused
      ? '; give this host a new enrolment token'
      : '; VMs run on, trying again at each heartbeat';
    this.agent.log.warn(error.message + remedy);
  }
}
