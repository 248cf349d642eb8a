import { Injectable } from '@nestjs/common';
import type { HostPowerView, PowerManagement, PowerStatusView, SetPowerManagement, UpdateHostPower } from '#contracts';
import { Database, type HostPower } from '#database';
import { findFenceAgent, isDangerousOption, PowerError, readFenceMetadata } from '#power';
import { SecretBox } from '../auth/secrets.js';
import { BadInput, Refused } from '../http/problems.js';
import { orderPower, type PowerOrder, subjectOf } from './operations.js';
import { PowerControls } from './power-controls.js';
import { powerView } from './power.view.js';

const BOOTS_SHOWN = 20;

/** How hosts are switched on and off, and orders to do so. */
@Injectable()
export class HostPowers {
  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
    private readonly controls: PowerControls,
  ) {}

  async view(hostId: string, now: Date): Promise<HostPowerView> {
    await this.db.hosts.get(hostId);
    const power = await this.db.hostPower.find(hostId);
    return powerView(hostId, power, await this.db.hostPower.boots(hostId, BOOTS_SHOWN), now);
  }

  /** Another management proves nothing yet: its wake-up has to be tested. Throws BadInput that names the field. */
  async setManagement(hostId: string, { password, ...management }: SetPowerManagement, now: Date): Promise<void> {
    await this.refuseImpossible(management);
    await this.db.transaction(async (tx) => {
      const host = await tx.hosts.lock(hostId);
      const before = await tx.hostPower.find(hostId);
      refuseUnderWay(host.name, before);
      const passwordEncrypted = password
        ? this.box.seal(password)
        : password === null
          ? null
          : keptPassword(before, management);
      const isSame = JSON.stringify(targetOf(before?.management)) === JSON.stringify(targetOf(management));
      const proof = isSame ? {} : { provenAt: null };
      await tx.hostPower.save(hostId, { management, passwordEncrypted, ...proof });
      const text = `${host.name} is switched by ${nameOf(management)} from now on`;
      await tx.events.add('info', 'host.power_management', text, subjectOf(host), now);
    });
  }

  async removeManagement(hostId: string, now: Date): Promise<void> {
    await this.db.transaction(async (tx) => {
      const host = await tx.hosts.lock(hostId);
      const before = await tx.hostPower.find(hostId);
      if (!before?.management) return;
      refuseUnderWay(host.name, before);
      await tx.hostPower.save(hostId, { management: null, passwordEncrypted: null, provenAt: null, isParked: false });
      const text = `${host.name} has no power management any more`;
      await tx.events.add('info', 'host.power_management', text, subjectOf(host), now);
    });
  }

  /** Power curve and age of the hardware. */
  async update(hostId: string, values: UpdateHostPower): Promise<void> {
    await this.db.transaction(async (tx) => {
      await tx.hosts.lock(hostId);
      await tx.hostPower.save(hostId, values);
    });
  }

  /** Asks the power management. Throws PowerError if it does not tell. */
  async status(hostId: string): Promise<PowerStatusView> {
    await this.db.hosts.get(hostId);
    const power = await this.db.hostPower.find(hostId);
    if (!power?.management) throw new Refused('the host has no power management; set one first');
    return { status: await this.controls.of(power).status() };
  }

  /** Begins it; the power loop goes on, also after a restart. */
  async order(hostId: string, order: PowerOrder, now: Date): Promise<void> {
    await this.db.transaction((tx) => orderPower(tx, hostId, order, now));
  }

  private async refuseImpossible(management: PowerManagement): Promise<void> {
    const errors = Object.keys(management.options)
      .filter(isDangerousOption)
      .map((name) => ({
        field: `options.${name}`,
        message: 'names a file or program of the controller, or an action; it cannot be set here',
      }));
    const missing = this.controls.missing(management);
    if (missing) errors.push(missing);
    if (errors.length > 0) throw new BadInput(errors);
    if (management.type === 'fence_agent') await refuseUnknownOptions(management.agent, management.options);
  }
}

/** An agent ignores what it does not know, with a warning that nobody reads. */
async function refuseUnknownOptions(agent: string, options: Readonly<Record<string, string>>): Promise<void> {
  const names = Object.keys(options);
  if (names.length === 0) return;
  const { parameters } = await readFenceMetadata(findFenceAgent(agent)!).catch((error: Error) => {
    throw new PowerError(`${agent} does not tell its options: ${error.message}`);
  });
  const known = new Set(parameters.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new BadInput(
      unknown.map((name) => ({
        field: `options.${name}`,
        message: `${agent} has no such option; it has ${[...known].filter((one) => !isDangerousOption(one)).join(', ')}`,
      })),
    );
}

/** What a password belongs to: it is not handed to another agent or address because somebody changed that. */
function targetOf(management: PowerManagement | null | undefined): unknown[] {
  switch (management?.type) {
    case undefined:
      return [];
    case 'fence_agent':
      return [management.type, management.agent, management.address, management.port, management.username];
    case 'exec':
      return [management.type, management.program];
    case 'wake_on_lan':
      return [management.type, management.macAddress, management.program];
  }
}

function keptPassword(before: HostPower | null, management: PowerManagement): Buffer | null {
  if (!before?.passwordEncrypted) return null;
  if (JSON.stringify(targetOf(before.management)) === JSON.stringify(targetOf(management)))
    return before.passwordEncrypted;
  throw new BadInput([
    { field: 'password', message: 'agent, address or user have changed: give the password again, or null for none' },
  ]);
}

const nameOf = (management: PowerManagement): string =>
  management.type === 'fence_agent'
    ? `${management.agent} at ${management.address}`
    : management.type === 'exec'
      ? management.program
      : `wake-on-LAN to ${management.macAddress}`;

function refuseUnderWay(name: string, power: HostPower | null): void {
  if (power?.operation) throw new Refused(`${name} is being switched (${power.operation.kind}); wait for its end`);
}
