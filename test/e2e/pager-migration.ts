/** Two drover-vmm processes and the guest that checks its own memory, for tests of migrations through QMP. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from '../vmm/process.js';

const PAGER = readFileSync(join(import.meta.dirname, '../../guests/pager.elf'));
export const EVENTUALLY = { timeout: 90_000, interval: 10 };
export const SIZE = ['-m', '64M', '-smp', '2'];

export interface QueryMigrate {
  readonly status?: string;
  readonly downtime?: number;
  readonly 'cpu-throttle-percentage'?: number;
  readonly 'xbzrle-cache'?: { readonly pages: number; readonly 'encoding-rate': number };
  readonly compression?: { readonly pages: number; readonly 'compression-rate': number };
  readonly 'error-desc'?: string;
  readonly 'socket-address'?: readonly { readonly port: string }[];
  readonly ram: { readonly transferred: number; readonly 'multifd-bytes': number; readonly 'dirty-sync-count': number };
  readonly 'x-drover': { readonly confirmed: boolean | null; readonly iterations: readonly object[] };
  readonly 'x-drover-incoming': { readonly status: string };
}

export interface Running {
  readonly vmm: VmmProcess;
  readonly qmp: QmpClient;
}

/** The guest does what guests/README.md says of `parameters`, and stops loudly at the first page that is not right. */
export async function startPager(parameters: string, args: readonly string[] = [], size = SIZE): Promise<Running> {
  const vmm = new VmmProcess(PAGER, [...size, '-append', `${parameters} beat=100`, ...args]);
  const qmp = await vmm.connect();
  await vmm.waitForPrinted('pager seq=1 ');
  return { vmm, qmp };
}

/** The guest writes `rate` MiB/s into 16 MiB. */
export const startGuest = (rate: number | 'max', args: readonly string[] = []): Promise<Running> =>
  startPager(`region=16 rate=${rate}`, args);

export async function startDestination(args: readonly string[] = [], size = SIZE): Promise<Running> {
  const where = args.includes('-incoming') ? [] : ['-incoming', 'tcp:127.0.0.1:0'];
  const vmm = new VmmProcess(undefined, [...size, ...where, ...args]);
  return { vmm, qmp: await vmm.connect() };
}

export const queryMigrate = ({ qmp }: Running) => qmp.execute<QueryMigrate>('query-migrate');
export const ramHash = async ({ qmp }: Running) => (await qmp.execute<{ xxh64: string }>('x-drover-ram-hash')).xxh64;
export const runState = async ({ qmp }: Running) => (await qmp.execute<{ status: string }>('query-status')).status;

export async function uriOf(destination: Running): Promise<string> {
  const port = await vi.waitFor(async () => (await queryMigrate(destination))['socket-address']![0]!.port, EVENTUALLY);
  return `tcp:127.0.0.1:${port}`;
}

export const setParameters = ({ qmp }: Running, parameters: Record<string, unknown>) =>
  qmp.execute('migrate-set-parameters', parameters);

export const setCapability = ({ qmp }: Running, capability: string, state: boolean) =>
  qmp.execute('migrate-set-capabilities', { capabilities: [{ capability, state }] });

/** query-migrate as soon as it fits. */
export const migrationWhen = (running: Running, fits: (answer: QueryMigrate) => boolean) =>
  vi.waitFor(async () => {
    const answer = await queryMigrate(running);
    if (!fits(answer)) throw new Error(`the migration is at ${JSON.stringify(answer)}`);
    return answer;
  }, EVENTUALLY);

export const migrationEnd = (source: Running) =>
  migrationWhen(source, ({ status }) => ['completed', 'failed', 'cancelled'].includes(status ?? ''));

export async function move(source: Running, destination: Running): Promise<QueryMigrate> {
  await source.qmp.execute('migrate', { uri: await uriOf(destination) });
  return migrationEnd(source);
}

/** The guest runs, checks and finds nothing wrong, from now on for two heartbeats. */
export async function expectGuestGoesOn({ vmm, qmp }: Running): Promise<void> {
  expect(await runState({ vmm, qmp })).toBe('running');
  const beats = () => vmm.printed().match(/^pager seq=/gm)?.length ?? 0;
  const before = beats();
  await vi.waitFor(() => expect(beats()).toBeGreaterThan(before + 1), EVENTUALLY);
  expect(vmm.printed()).not.toContain('ERROR');
}
