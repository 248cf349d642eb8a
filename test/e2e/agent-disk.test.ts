/** VMs with disks that agents make, move and remove: copied to hosts that do not see them, left alone where they do. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Disk } from '#contracts';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';

const MIB = 2 ** 20;
let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.start();
});
afterAll(() => hosts?.stop());

/** An order to start a guest that writes its disk, and checks what it has written. */
const writer = (disk: Pick<Disk, 'kind' | 'path'>): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    ...{ name: 'db-1', vcpus: 1, memoryMiB: 32, image: 'disk', append: 'region=2 rate=500', nics: [] },
    disks: [
      { name: 'data', sizeMiB: 16, storageDomainId: randomUUID(), storageDomain: 'main', sourceImage: null, ...disk },
    ],
  },
  makeDisks: true,
});

function beats(agent: AgentProcess, vmId: string): number {
  const { status, message, consoleTail } = agent.host.vm(vmId)!;
  expect(status, message).toBe('up');
  expect(consoleTail).not.toContain('ERROR');
  return Number([...consoleTail.matchAll(/^disk seq=(\d+) /gm)].at(-1)?.[1] ?? 0);
}

async function expectBeating(agent: AgentProcess, { vmId }: StartJob): Promise<void> {
  const before = await eventually(() => beats(agent, vmId));
  await eventually(() => expect(beats(agent, vmId)).toBeGreaterThan(before));
}

async function start(job: StartJob): Promise<StartJob> {
  await hosts.controller.order(hosts.a.host, job);
  await expectBeating(hosts.a, job);
  return job;
}

const reportOf = (agent: AgentProcess, migrationId: string) =>
  agent.host.last.migrations.find((report) => report.migrationId === migrationId);

/** Orders the move and waits for its end, as the source tells it. */
async function move(job: StartJob, to: AgentProcess, from: AgentProcess, limits: { bandwidthMiBps?: number } = {}) {
  const migrationId = randomUUID();
  await hosts.controller.order(from.host, from.migrateTo(to, job, migrationId, limits));
  const ended = () =>
    eventually(() => {
      const report = reportOf(from, migrationId);
      expect(['completed', 'failed', 'cancelled'], from.log.slice(-2000)).toContain(report?.status);
      return report!;
    }, 90_000);
  return { migrationId, ended };
}

const powerOff = async (agent: AgentProcess, job: StartJob, epoch: number) => {
  await hosts.powerOff(agent, job, epoch);
  await hosts.controller.order(agent.host, {
    ...{ kind: 'remove_disks', vmId: job.vmId, epoch, disks: job.spec.disks },
  });
};

test('a disk of one host is copied to the other, and removed with the VM', { timeout: 180_000 }, async () => {
  const { a, b } = hosts;
  const job = await start(writer({ kind: 'local', path: 'disks' }));
  const fileOn = (agent: AgentProcess) => join(agent.dir, 'disks', job.vmId, 'data.raw');
  expect(statSync(fileOn(a))).toMatchObject({ size: 16 * MIB });
  const there = await move(job, b, a);
  const report = await there.ended();
  expect(report).toMatchObject({ status: 'completed', error: null });
  expect(report.progress!.disks!.transferredBytes).toBeGreaterThanOrEqual(2 * MIB);
  await expectBeating(b, job);
  expect(existsSync(fileOn(a))).toBe(false);
  expect(statSync(fileOn(b)).blocks * 512).toBeLessThan(4 * MIB); // holes have stayed holes

  await powerOff(b, job, 2);
  await eventually(() => expect(existsSync(fileOn(a)) || existsSync(fileOn(b))).toBe(false));
});

test(
  'a destination that dies while the disk is copied leaves nothing, and the VM goes on',
  { timeout: 180_000 },
  async () => {
    const { a, b } = hosts;
    const job = await start(writer({ kind: 'local', path: 'disks' }));
    const { ended } = await move(job, b, a, { bandwidthMiBps: 1 });
    const copy = join(b.dir, 'disks', job.vmId, 'data.raw');
    await eventually(() => expect(statSync(copy, { throwIfNoEntry: false })?.blocks).toBeGreaterThan(0));
    for (const pid of b.vmmPids(job.vmId)) process.kill(pid, 'SIGKILL');
    expect(await ended()).toMatchObject({ status: 'failed', error: { phase: 'perform' } });
    await expectBeating(a, job);
    await eventually(() => expect(existsSync(join(b.dir, 'disks', job.vmId))).toBe(false));
    expect(readdirSync(join(a.dir, 'disks', job.vmId))).toEqual(['data.raw']);
  },
);

test(
  'a disk that both hosts see is left where it is, whatever its storage domain is called',
  { timeout: 180_000 },
  async () => {
    const { a, b, dir } = hosts;
    const path = join(dir, 'common');
    mkdirSync(path);
    const job = await start(writer({ kind: 'local', path }));
    const file = join(path, job.vmId, 'data.raw');
    const { ino } = statSync(file);
    const { ended } = await move(job, b, a);
    const report = await ended();
    expect(report).toMatchObject({ status: 'completed' });
    expect(report.progress!.disks).toBeUndefined();
    await expectBeating(b, job);
    expect(statSync(file).ino).toBe(ino);
    expect(readdirSync(join(path, job.vmId))).toEqual(['data.raw']);
  },
);

test('a VM whose disk is missing is not started with an empty one', async () => {
  const job = { ...writer({ kind: 'local', path: 'disks' }), makeDisks: false };
  await hosts.controller.order(hosts.a.host, job);
  await eventually(() =>
    expect(hosts.a.host.vm(job.vmId)).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('is not there'),
    }),
  );
});
