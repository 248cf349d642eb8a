import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { PowerManagement } from '#contracts';
import type { HostPower } from '#database';
import { fenceAgent, findFenceAgent, isExecutable, type PowerControl, PowerError, readWatts, wakeOnLan } from '#power';
import { SecretBox } from '../auth/secrets.js';
import type { Config } from '../config.js';
import { CONFIG } from '../tokens.js';

/** From what is stored of a host's power management to something that switches it. */
@Injectable()
export class PowerControls {
  private readonly ending = new AbortController();

  constructor(
    private readonly box: SecretBox,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Ends the programs that run: whoever begins anew must not find one of before at work. */
  end(): void {
    this.ending.abort();
  }

  /** Throws PowerError if there is none, or its program is not installed. */
  of({ management, passwordEncrypted }: Pick<HostPower, 'management' | 'passwordEncrypted'>): PowerControl {
    if (!management) throw new PowerError('the host has no power management; set it with PUT …/power-management');
    const password = passwordEncrypted ? this.box.open(passwordEncrypted) : null;
    switch (management.type) {
      case 'fence_agent': {
        const { agent, address, port, username, options } = management;
        const path = findFenceAgent(agent);
        if (!path) throw new PowerError(missingAgent(agent));
        const login = { ip: address, ...(username ? { username } : {}), ...(port ? { ipport: String(port) } : {}) };
        return fenceAgent({ path, options: { ...options, ...login }, password, signal: this.ending.signal });
      }
      case 'exec':
        return this.program(management.program, management.options, password);
      case 'wake_on_lan': {
        const { macAddress, address, port, program, options } = management;
        const others = program === null ? null : this.program(program, options, password);
        return wakeOnLan({ macAddress, address, port, others });
      }
    }
  }

  /** What the host's BMC measures; null: nothing that could tell is known. Throws PowerError if it does not tell. */
  async watts({ management, passwordEncrypted }: HostPower): Promise<number | null> {
    if (management?.type !== 'fence_agent') return null;
    const kind = MEASURES.get(management.agent);
    if (!kind) return null;
    const { address, port, username, options } = management;
    const password = passwordEncrypted ? this.box.open(passwordEncrypted) : '';
    const acceptsAnyCertificate = options.ssl_insecure === '1';
    return readWatts({ kind, address, port, username, password, acceptsAnyCertificate });
  }

  /** What is not installed or not there; null if nothing is missing. */
  missing(management: PowerManagement): { field: string; message: string } | null {
    if (management.type === 'fence_agent')
      return findFenceAgent(management.agent) ? null : { field: 'agent', message: missingAgent(management.agent) };
    if (management.program === null || isExecutable(this.pathOf(management.program))) return null;
    return { field: 'program', message: this.missingProgram(management.program) };
  }

  private program(name: string, options: Readonly<Record<string, string>>, password: string | null): PowerControl {
    const path = this.pathOf(name);
    if (!isExecutable(path)) throw new PowerError(this.missingProgram(name));
    return fenceAgent({ path, options, password, signal: this.ending.signal });
  }

  private pathOf = (name: string): string => join(this.config.powerProgramsDir, name);

  private missingProgram = (name: string): string =>
    `there is no executable ${name} in the folder ${this.config.powerProgramsDir} of the controller; put it there, or set DROVER_POWER_DIR`;
}

/** Agents whose BMCs mostly measure what the host draws. */
const MEASURES: ReadonlyMap<string, 'dcmi' | 'redfish'> = new Map([
  ['fence_ipmilan', 'dcmi'],
  ['fence_redfish', 'redfish'],
]);

const missingAgent = (agent: string): string =>
  `${agent} is not installed beside the controller; install the package fence-agents, or name another agent`;
