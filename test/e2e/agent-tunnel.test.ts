/** Tunnelled migrations: memory, post-copy and disks go through the agents alone, and outlive an agent's death. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MigrationReport } from '#contracts';
import { eventually, lastBeat, pager, type StartJob, TwoHosts } from '../agent/two-hosts.js';

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.start();
});
afterAll(() => hosts?.stop());

const reportOf = (migrationId: string): MigrationReport => {
  const report = hosts.a.host.last.migrations.find((each) => each.migrationId === migrationId);
  if (!report) throw new Error(`no report of migration ${migrationId} yet`);
  return report;
};
const completes = (migrationId: string) =>
  eventually(() => {
    const report = reportOf(migrationId);
    expect(report, JSON.stringify(report.error)).toMatchObject({ status: 'completed', error: null });
    return report;
  }, 90_000);

/** Where the destination waits, as its record says. */
function placeOf({ vmId }: StartJob): { uri: string; port: number } {
  const record = JSON.parse(readFileSync(join(hosts.b.dir, 'vms', `${vmId}.json`), 'utf8')) as {
    incoming: { uri: string };
  };
  return { uri: record.incoming.uri, port: Number(record.incoming.uri.split(':').at(-1)) };
}

const writer = (): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    ...{ name: 'db-1', vcpus: 1, memoryMiB: 32, image: 'disk', append: 'region=2 rate=500', nics: [] },
    disks: [
      {
        ...{ name: 'data', sizeMiB: 16, storageDomainId: randomUUID(), storageDomain: 'main', sourceImage: null },
        ...{ kind: 'local', path: 'disks' },
      },
    ],
  },
  makeDisks: true,
});

const diskBeats = (agent: TwoHosts['a'], { vmId }: StartJob): number => {
  const { consoleTail = '', status } = agent.host.vm(vmId) ?? {};
  expect(status).toBe('up');
  expect(consoleTail).not.toContain('ERROR');
  return Number([...consoleTail.matchAll(/^disk seq=(\d+) /gm)].at(-1)?.[1] ?? 0);
};

test('a VM moves with its disk, through one port that opens for nobody else', { timeout: 180_000 }, async () => {
  const { a, b } = hosts;
  const job = writer();
  await hosts.controller.order(a.host, job);
  await eventually(() => expect(diskBeats(a, job)).toBeGreaterThan(0));
  const migrationId = randomUUID();
  await hosts.controller.order(a.host, a.migrateTo(b, job, migrationId, { tunnelled: true, bandwidthMiBps: 8 }));
  await eventually(() => expect(['preparing', 'precopy']).toContain(reportOf(migrationId).status));
  const { uri, port } = await eventually(() => placeOf(job));
  expect(uri).toBe(`tunnel:127.0.0.1:${port}`);
  expect(readFileSync(join(b.dir, 'migration-port'), 'utf8')).toBe(String(port));
  // Neither somebody without a certificate nor somebody who speaks no TLS hears a word.
  const strangers = [connect(port, '127.0.0.1'), connectTls({ port, rejectUnauthorized: false })];
  for (const stranger of strangers) {
    const said: Buffer[] = [];
    stranger.on('data', (chunk: Buffer) => said.push(chunk)).on('error', () => undefined);
    stranger.write(`${JSON.stringify({ migrationId, channel: 'memory', ticket: 'guessed' })}\n`);
    await new Promise((closed) => stranger.once('close', closed));
    expect(Buffer.concat(said).toString('latin1')).not.toContain('ok\n');
  }
  const report = await completes(migrationId);
  expect(report.progress!.disks!.transferredBytes).toBeGreaterThan(2 ** 20);
  const before = await eventually(() => diskBeats(b, job));
  await eventually(() => expect(diskBeats(b, job)).toBeGreaterThan(before));
  expect(statSync(join(b.dir, 'disks', job.vmId, 'data.raw')).size).toBe(16 * 2 ** 20);
  for (const socket of ['ram.sock', 'nbd.sock']) expect(existsSync(join(a.dir, 'run', job.vmId, socket))).toBe(false);
  await hosts.powerOff(b, job, 2);
});

test('post-copy that loses its tunnel with an agent pauses, and goes on by itself when the agent is back', async () => {
  const { a, b } = hosts;
  const vm = await hosts.startPager(a, pager('region=16 rate=4', 48));
  const migrationId = randomUUID();
  const order = a.migrateTo(b, vm, migrationId, {
    ...{ tunnelled: true, bandwidthMiBps: 4, timeoutSeconds: 120 },
    convergence: { means: [{ means: 'post_copy' }] },
  });
  await hosts.controller.order(a.host, order);
  await eventually(() => expect(reportOf(migrationId).status).toBe('precopy'));
  const figures = {
    ...{ elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: null, dirtyRateMiBps: null },
    ...{ expectedTotalMs: null, expectedDowntimeMs: null, candidates: [] },
  };
  const step = {
    migrationId,
    number: 1,
    means: 'post_copy' as const,
    value: null,
    reason: 'for a test',
    restart: false,
  };
  a.host.answer = { ...a.host.answer, steps: [{ ...step, figures }] };
  await eventually(() => expect(reportOf(migrationId).status).toBe('postcopy'));
  await b.end('SIGKILL');
  await eventually(() => expect(reportOf(migrationId).status).toBe('postcopy_paused'));
  b.start();
  await completes(migrationId);
  a.host.answer = { ...a.host.answer, steps: [] };
  expect(a.log).toContain('the connection of post-copy was lost');
  await hosts.expectUp(b, vm.vmId, lastBeat(b, vm.vmId));
  expect(a.vmmPids(vm.vmId)).toEqual([]);
  await hosts.powerOff(b, vm, 2);
}, 180_000);
