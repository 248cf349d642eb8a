/** Whoever is behind a guest's port in tests: answers as the test says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Asked {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
}

/** Bytes that go to the host; undefined: silence. */
type Answer = (asked: Asked, count: number) => string | undefined;

export const returning = (value: unknown): string => `${JSON.stringify({ return: value })}\n`;
export const refusing = (desc: string): string => `${JSON.stringify({ error: { class: 'GenericError', desc } })}\n`;
/** As guest-sync-delimited is answered. */
export const synchronized = ({ arguments: given }: Asked): string => `\xff${returning(given!['id'])}`;

export class ScriptedAgent {
  readonly asked: Asked[] = [];
  readonly clients = new Set<Socket>();
  private constructor(readonly path: string) {}

  /** `answer` is asked for everything but synchronizing, unless `all`. */
  static async start(answer: Answer, { all = false } = {}): Promise<ScriptedAgent> {
    const folder = mkdtempSync(join(tmpdir(), 'drover-qga-'));
    const agent = new ScriptedAgent(join(folder, 'agent.sock'));
    const server = createServer((client) => {
      agent.clients.add(client);
      let text = '';
      client.setEncoding('latin1').on('error', () => client.destroy());
      client.on('data', (bytes) => {
        const lines = (text + String(bytes)).split('\n');
        text = lines.pop()!;
        for (const line of lines) {
          const asked = JSON.parse(line.replaceAll('\xff', '')) as Asked;
          agent.asked.push(asked);
          const isSync = asked.execute === 'guest-sync-delimited' && !all;
          const reply = isSync ? synchronized(asked) : answer(asked, agent.asked.length);
          if (reply !== undefined) client.write(Buffer.from(reply, 'latin1'));
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(agent.path, resolve));
    onTestFinished(() => {
      for (const client of agent.clients) client.destroy();
      server.close();
      rmSync(folder, { recursive: true });
    });
    return agent;
  }

  /** Says something that nobody has asked for. */
  say(text: string): void {
    for (const client of this.clients) client.write(Buffer.from(text, 'latin1'));
  }
}
