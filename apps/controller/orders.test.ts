import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { HostQueues } from '#queue';
import type { AgentClient } from './agents/agent-client.js';
import type { SecretBox } from './auth/secrets.js';
import { createLog } from './log.js';
import { Orders } from './orders.js';

test('sources whose migrations are cancelled are told at the same time: one that does not answer keeps nobody waiting', async () => {
  const called: string[] = [];
  let giveUp!: (error: Error) => void;
  const silence = new Promise<never>((_, reject) => (giveUp = reject));
  const agents = { call: (hostId: string) => (called.push(hostId), silence) } as unknown as AgentClient;
  const orders = new Orders({} as HostQueues, {} as SecretBox, agents, createLog('silent'));
  const cancelling = ['alpha', 'beta'].map((hostId) => ({ hostId, migrationId: `from ${hostId}` }));
  const followed = orders.follow({ orders: [], withdrawn: [], cancelling });
  await setImmediate();
  expect(called).toEqual(['alpha', 'beta']);
  giveUp(new Error('it does not answer'));
  await followed; // they find out by themselves
});
