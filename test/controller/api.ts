/** The controller in this process, and short words for talking to it. */
import { randomBytes } from 'node:crypto';
import { expect, vi } from 'vitest';
import type { Config } from '../../apps/controller/config.js';
import { createLog } from '../../apps/controller/log.js';
import { type Server, startServer } from '../../apps/controller/server.js';

export const ADMIN_TOKEN = 'admin-token-of-the-tests';
const SECRET = randomBytes(32);

export const startController = (databaseUrl: string, redisUrl?: string, more: Partial<Config> = {}): Promise<Server> =>
  startServer(
    {
      databaseUrl,
      redisUrl,
      bind: '127.0.0.1',
      port: 0,
      tls: undefined,
      adminToken: ADMIN_TOKEN,
      secret: SECRET,
      policyIntervalMs: 300,
      loopIntervalMs: 200,
      hostTimeoutMs: 2e3,
      powerProgramsDir: '/nonexistent',
      portalDir: undefined,
      logLevel: process.env.DROVER_LOG_LEVEL ?? 'fatal',
      ...more,
    },
    createLog(process.env.DROVER_LOG_LEVEL ?? 'fatal'),
  );

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look into answers of every kind.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export class Api {
  constructor(public base: string) {}

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const content = await response.text();
    return { status: response.status, headers: response.headers, body: content ? JSON.parse(content) : undefined };
  }

  async get(path: string) {
    return this.ok(await this.call('GET', path));
  }

  async post(path: string, body?: unknown) {
    return this.ok(await this.call('POST', path, body));
  }

  /** Asks for `path` until `expected` is part of the answer. */
  async until(path: string, expected: unknown, timeout = 90_000) {
    return vi.waitFor(
      async () => {
        const body = await this.get(path);
        // oxlint-disable-next-line vitest/no-standalone-expect
        expect(body).toMatchObject(expected as object);
        return body;
      },
      { timeout, interval: 100 },
    );
  }

  private ok({ status, body }: Answer) {
    if (status >= 400) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body;
  }
}
