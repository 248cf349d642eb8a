import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { PowerOperation } from '#contracts';
import { Database, type Host, type HostPower, type Repositories } from '#database';
import { type Config } from '../config.js';
import { type Log, LOG } from '../log.js';
import { Ticker } from '../ticker.js';
import { CONFIG } from '../tokens.js';
import { type PowerStep, nextStep, retryDelayMs, type Situation } from './next-step.js';
import { giveUp, subjectOf } from './operations.js';
import { PowerControls } from './power-controls.js';

/** Hosts at once: each holds a connection to the database, and a rack must not be switched on in one moment. */
const AT_ONCE = 4;

/** Carries out what has been ordered of hosts' power, step by step, until nothing is left to do. */
@Injectable()
export class PowerLoop implements OnApplicationBootstrap, OnApplicationShutdown {
  private ticker: Ticker | undefined;
  private readonly busy = new Map<string, Promise<void>>();
  private isEnding = false;

  constructor(
    private readonly db: Database,
    private readonly controls: PowerControls,
    private readonly schedule: SchedulerRegistry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.ticker = new Ticker(this.schedule, this.log, {
      name: 'power loop',
      intervalMs: this.config.loopIntervalMs,
      work: () => this.turn(),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.isEnding = true;
    await this.ticker?.stop();
    this.controls.end();
    await Promise.all(this.busy.values());
  }

  /** A host whose management is slow does not keep the others waiting. */
  private async turn(): Promise<void> {
    for (const { hostId } of await this.db.hostPower.underWay()) {
      if (this.busy.has(hostId) || this.busy.size >= AT_ONCE) continue;
      const work = this.db
        .exclusively(`power:${hostId}`, () => this.stepOn(hostId))
        .catch((error: unknown) => this.log.error({ err: error, hostId }, 'switching a host'))
        .then(() => void this.busy.delete(hostId));
      this.busy.set(hostId, work);
    }
  }

  /** Step after step, until there is something to wait for. */
  private async stepOn(hostId: string): Promise<void> {
    while (!this.isEnding && (await this.step(hostId)));
  }

  /** False: nothing is to be done now. */
  private async step(hostId: string): Promise<boolean> {
    const power = await this.db.hostPower.find(hostId);
    if (!power?.operation) return false;
    const host = await this.db.hosts.get(hostId);
    const step = decide(host, power, power.operation, await occupationOf(this.db, hostId));
    if (step.action === 'wait') return false;
    if (step.action !== 'switch_off' && step.action !== 'switch_on') {
      await this.inRow(hostId, power.operation, (tx, now) => note(tx, host, power, step, now));
      return true;
    }
    const error = await this.switch(host, power, step.action);
    if (error !== null && this.isEnding) return false; // cut off; the next controller begins it anew
    await this.inRow(hostId, power.operation, (tx, now) => noteSwitched(tx, host, power.operation!, error, now));
    return true;
  }

  /** Why it did not work; null if it did. */
  private async switch(host: Host, power: HostPower, action: 'switch_on' | 'switch_off'): Promise<string | null> {
    this.log.info({ hostId: host.id, host: host.name, action }, 'power');
    try {
      const control = this.controls.of(power);
      if (action === 'switch_on') return await control.on().then(() => null);
      await control.off();
      const state = power.operation!.fences ? await control.status() : 'off';
      return state === 'off' ? null : `its management was told to cut its power, and says then that it is ${state}`;
    } catch (error) {
      const { message } = error as Error;
      this.log.warn({ hostId: host.id, host: host.name, action, reason: message }, 'power');
      return message;
    }
  }

  /** Only if the operation is still the one that was decided about. */
  private async inRow(
    hostId: string,
    operation: PowerOperation,
    work: (tx: Repositories, now: Date) => Promise<void>,
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.hosts.lock(hostId);
      const present = await tx.hostPower.find(hostId);
      if (present?.operation?.requestedAt === operation.requestedAt) await work(tx, new Date());
    });
  }
}

type Occupation = Pick<Situation, 'hasVms' | 'isAwaited'>;

async function occupationOf({ hosts, migrations }: Repositories, hostId: string): Promise<Occupation> {
  const { vmCount, migrationCount } = (await hosts.usage([hostId]))(hostId);
  const hasVms = vmCount + migrationCount > 0;
  if (vmCount > 0 || migrationCount === 0) return { hasVms, isAwaited: false };
  const own = (await migrations.active()).filter((one) => [one.sourceHostId, one.destinationHostId].includes(hostId));
  const areAwaiting = own.every(({ status, sourceHostId }) => status === 'switchover' && sourceHostId !== hostId);
  return { hasVms, isAwaited: areAwaiting && own.length === migrationCount }; // else one has ended in this moment
}

function decide(host: Host, { bootSeconds }: HostPower, operation: PowerOperation, occupation: Occupation): PowerStep {
  const { name: hostName, status, statusSince } = host;
  const situation = { hostName, status, statusSinceMs: statusSince.getTime(), operation, bootSeconds, ...occupation };
  return nextStep(situation, Date.now());
}

const FRESH = { attempts: 0, error: null, notBefore: null, switchedOnAt: null };

async function note(tx: Repositories, host: Host, power: HostPower, step: PowerStep, now: Date): Promise<void> {
  switch (step.action) {
    case 'turn_around':
      await tx.hosts.changeStatus(host.id, 'powering_on', {}, now);
      await tx.hostPower.save(host.id, { operation: { ...power.operation!, ...FRESH } });
      return;
    case 'forget':
      await tx.hostPower.save(host.id, { operation: null });
      return;
    case 'give_up':
      await giveUp(tx, host, power, step, now);
      return;
    default:
  }
}

async function noteSwitched(
  tx: Repositories,
  host: Host,
  operation: PowerOperation,
  error: string | null,
  now: Date,
): Promise<void> {
  if (error !== null) {
    const attempts = operation.attempts + 1;
    const notBefore = new Date(now.getTime() + retryDelayMs(attempts)).toISOString();
    await tx.hostPower.save(host.id, { operation: { ...operation, attempts, error, notBefore } });
    return;
  }
  if (host.status === 'powering_on') {
    await tx.hostPower.save(host.id, { operation: { ...operation, ...FRESH, switchedOnAt: now.toISOString() } });
    return;
  }
  await tx.hosts.changeStatus(host.id, 'powered_off', {}, now);
  const isDone = operation.kind === 'off';
  const left = isDone ? null : { ...operation, ...FRESH };
  await tx.hostPower.save(host.id, { powerSince: now, operation: left, ...(operation.fences && { fencedAt: now }) });
  const [severity, text] = operation.fences
    ? (['warning', `${host.name} is fenced: its power is off, and nothing runs there`] as const)
    : (['info', `${host.name} is switched off`] as const);
  await tx.events.add(severity, operation.fences ? 'host.fenced' : 'host.powered_off', text, subjectOf(host), now);
}
