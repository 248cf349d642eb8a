import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { Database, type Host, NotFound } from '#database';
import { SecretBox } from '../auth/secrets.js';
import { AgentUnavailable, Refused } from '../http/problems.js';

const TIMEOUT_MS = 5000;

interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly body?: unknown;
}

/** Direct orders to a host's agent: what cannot wait in a queue. */
@Injectable()
export class AgentClient {
  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  /** The agent's answer. Throws AgentUnavailable, Refused, or NotFound if the agent does not know the thing. */
  async call<T>(hostId: string, call: Call, answer: z.ZodType<T>): Promise<T> {
    const response = await this.fetch(hostId, call);
    const parsed = answer.safeParse(response.status === 204 ? undefined : await response.json().catch(() => undefined));
    if (!parsed.success) throw new AgentUnavailable(`the agent of host ${hostId} gave an answer that makes no sense`);
    return parsed.data;
  }

  /** Whether anything answers where the host's agent is, whatever it says. */
  async isReachable({ agentUrl }: Pick<Host, 'agentUrl'>): Promise<boolean> {
    if (!agentUrl) return false;
    return fetch(agentUrl, { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      () => true,
      () => false,
    );
  }

  private async fetch(hostId: string, { method, path, body }: Call): Promise<Response> {
    const host = await this.db.hosts.get(hostId);
    const credential = await this.db.credentials.byHost(hostId);
    if (!host.agentUrl || !credential?.agentTokenEncrypted)
      throw new AgentUnavailable(`host ${host.name} has not enrolled`);
    const token = this.box.open(credential.agentTokenEncrypted);
    let response: Response;
    try {
      response = await fetch(new URL(path, host.agentUrl), {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
        body: body ? JSON.stringify(body) : undefined,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new AgentUnavailable(`the agent of host ${host.name} does not answer: ${(error as Error).message}`);
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { detail?: unknown };
    const detail = typeof problem.detail === 'string' ? problem.detail : response.statusText;
    if (response.status === 404) throw new NotFound(`${path} on host`, host.name);
    if (response.status < 500 && response.status !== 401) throw new Refused(`host ${host.name}: ${detail}`);
    throw new AgentUnavailable(`the agent of host ${host.name} answered ${response.status}: ${detail}`);
  }
}
