/** The source's agent asks the destination's: prepare, state, finish, discard. Answers are facts, never exceptions. */
import { IncomingState, type PrepareIncoming, PreparedIncoming, Problem } from '#contracts';
import type { MigrateJob } from './migration-record.js';
import type { DestinationAnswer } from './next-step.js';

/** Starting a process may take a while on a busy host; the other requests do not. */
const PREPARE_TIMEOUT_MS = 40_000;
const REQUEST_TIMEOUT_MS = 10_000;

export class DestinationPeer {
  constructor(private readonly order: MigrateJob) {}

  /** `found`: what only this host knows of the VM. */
  async prepare(found: Pick<PrepareIncoming, 'devices' | 'disks'>): Promise<DestinationAnswer> {
    const { migrationId, vmId, epoch, spec } = this.order;
    const body = { migrationId, vmId, epoch, spec, ...found };
    return this.ask('POST', '', PREPARE_TIMEOUT_MS, body, (answer) => ({
      kind: 'prepared',
      ...PreparedIncoming.parse(answer),
    }));
  }

  state = () => this.ask('GET', `/${this.order.migrationId}`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);
  finish = () => this.ask('POST', `/${this.order.migrationId}/finish`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);
  discard = () => this.ask('DELETE', `/${this.order.migrationId}`, REQUEST_TIMEOUT_MS, undefined, stateAnswer);

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
  const { status, message } = IncomingState.parse(answer);
  return { kind: status, message };
}
