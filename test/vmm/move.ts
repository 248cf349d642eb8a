/** A migration between two drover-vmm processes, for tests of guests that are moved; test/e2e/migration.test.ts is about the engine. */
import { expect, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from './process.js';

const PATIENCE = { timeout: 90_000, interval: 10 };

interface Figures {
  readonly status?: string;
  readonly downtime: number;
  readonly 'socket-address'?: readonly { readonly port: string }[];
}

const query = (qmp: QmpClient) => qmp.execute<Figures>('query-migrate');

/** Starts a process with `args`, which give it the same machine, and moves the guest there. The source stays as it was left. */
export async function moveGuest(source: QmpClient, args: readonly string[]) {
  const vmm = new VmmProcess(undefined, [...args, '-incoming', 'tcp:127.0.0.1:0']);
  const qmp = await vmm.connect();
  const port = await vi.waitFor(async () => (await query(qmp))['socket-address']![0]!.port, PATIENCE);
  await source.execute('migrate', { uri: `tcp:127.0.0.1:${port}` });
  const downtimeMs = await vi.waitFor(async () => {
    const { status, downtime } = await query(source);
    expect(status).toBe('completed');
    return downtime;
  }, PATIENCE);
  return { vmm, qmp, downtimeMs };
}
