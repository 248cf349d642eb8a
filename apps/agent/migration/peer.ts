/** The source's agent asks the destination's: prepare, state, finish, discard. Answers are facts, never exceptions. */
import {
  IncomingLog,
  IncomingState,
  type MigrationLogLine,
  type PrepareIncoming,
  PreparedIncoming,
  Problem,
} from '#contracts';
import type { MigrateJob } from './migration-record.js';
import type { DestinationAnswer } from './next-step.js';

/** Starting a process may take a while on a busy host; the other requests do not. */
const PREPARE_TIMEOUT_MS = 40_000;
const REQUEST_TIMEOUT_MS = 10_000;
const LOG_TIMEOUT_MS = 2000;

export class DestinationPeer {
  constructor(private readonly order: MigrateJob) {}

  /** `found`: what only this host knows of the VM. */
  async prepare(found: Pick<PrepareIncoming, 'devices' | 'disks' | 'means'>): Promise<DestinationAnswer> {
    const { migrationId, vmId, epoch, spec, encrypted, tunnelled } = this.order;
    const body = { migrationId, vmId, epoch, spec, encrypted, tunnelled, ...found };
    return this.ask('POST', '', PREPARE_TIMEOUT_MS, body, (answer) => ({
      kind: 'prepared',
      ...PreparedIncoming.parse(answer),
    }));
  }

  state = () => this.ask('GET', `/${this.order.migrationId}`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);
  finish = () => this.ask('POST', `/${this.order.migrationId}/finish`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);
  discard = () => this.ask('DELETE', `/${this.order.migrationId}`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);

  /** Post-copy is to go on by another connection; the answer says where the destination waits for it. */
  recover = () =>
    this.ask('POST', `/${this.order.migrationId}/recover`, REQUEST_TIMEOUT_MS, undefined, (answer) => ({
      kind: 'prepared',
      ...PreparedIncoming.parse(answer),
    }));

  /** The destination gives the guest these vCPUs back when it has arrived. Throws if it has not heard. */
  async restoreOnArrival(vcpus: readonly number[]): Promise<void> {
    const path = `/${this.order.migrationId}/vcpus`;
    const answer = await this.ask('POST', path, REQUEST_TIMEOUT_MS, { vcpus }, () => ({
      kind: 'waiting',
      message: '',
    }));
    if (answer.kind !== 'waiting')
      throw new Error('message' in answer ? answer.message : 'the destination did not listen');
  }

  /** What the destination has to say of it; nothing if it does not answer. */
  async log(): Promise<MigrationLogLine[]> {
    const { agentUrl, ticket } = this.order.destination;
    try {
      const response = await fetch(`${agentUrl}/v1/incoming/${this.order.migrationId}/log`, {
        headers: { authorization: `Bearer ${ticket}` },
        signal: AbortSignal.timeout(LOG_TIMEOUT_MS),
      });
      return response.ok ? IncomingLog.parse(await response.json()).lines : [];
    } catch {
      return []; // the end is told without it
    }
  }

  private async ask(
    method: string,
    path: string,
    timeoutMs: number,
    body: object | undefined,
    read: (answer: unknown) => DestinationAnswer,
  ): Promise<DestinationAnswer> {
    const { agentUrl, ticket } = this.order.destination;
    try {
      const response = await fetch(`${agentUrl}/v1/incoming${path}`, {
        method,
        headers: { authorization: `Bearer ${ticket}`, ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const answer: unknown = await response.json();
      if (response.ok) return read(answer);
      const { type, title, detail } = Problem.parse(answer);
      const message = detail ?? title;
      if (response.status === 404) return { kind: 'gone', message };
      if (response.status >= 500) return { kind: 'unreachable', message };
      return { kind: 'refused', code: type.split(':').at(-1) ?? 'refused', message };
    } catch (error) {
      const { message, cause } = error as Error;
      return { kind: 'unreachable', message: cause instanceof Error ? cause.message : message };
    }
  }
}

function stateAnswer(answer: unknown): DestinationAnswer {
  const { status, ...rest } = IncomingState.parse(answer);
  return { kind: status, ...rest };
}
