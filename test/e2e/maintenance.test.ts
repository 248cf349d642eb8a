import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SmallDatacenter, eventually, startSmallDatacenter } from './small-datacenter.js';

let small: SmallDatacenter;
const dir = mkdtempSync(join(tmpdir(), 'drover-maintenance-'));
const script = (name: string, ...lines: string[]) =>
  writeFileSync(join(dir, name), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });

beforeAll(async () => {
  // Agents inherit the environment; each host has a folder of its own in it.
  process.env.DROVER_HEALTH_SECONDS = '2';
  process.env.DROVER_HEALTH_DIR = process.env.DROVER_MAINTENANCE_DIR = dir;
  small = await startSmallDatacenter({ hosts: 2, expectsDeaths: true });
});
afterAll(async () => {
  await small?.stop();
  rmSync(dir, { recursive: true });
});

test('a host that is set to maintenance is emptied by live migration, stays empty, and comes back', async () => {
  const { client } = small.datacenter;
  for (const name of ['a', 'b', 'c']) await small.createPager(name, 'host-1');
  const host = await small.host('host-1');

  const preparing = await client.hosts.deactivate(host.id, { reason: 'new memory' });
  expect(preparing.status).toBe('preparing_for_maintenance');
  await eventually(async () => expect((await small.host('host-1')).status).toBe('maintenance'), 90_000);

  const other = await small.host('host-2');
  for (const name of ['a', 'b', 'c']) {
    expect((await small.vm(name)).hostId).toBe(other.id);
    await small.expectBeating(name);
  }
  for (const move of await small.migrations())
    expect(move).toMatchObject({ trigger: 'maintenance', status: 'completed' });

  const forced = client.vms.create({ name: 'd', clusterId: small.cluster.id, image: 'pager', hostId: host.id });
  await expect(forced).rejects.toMatchObject({ status: 409, message: expect.stringMatching(/host-1.*maintenance/) });
  const move = client.vms.migrate((await small.vm('a')).id, { destinationHostId: host.id });
  await expect(move).rejects.toMatchObject({ status: 409 });

  expect((await client.hosts.activate(host.id)).status).toBe('up');
});

test(
  'a window opens: each host is emptied, acted on, checked and put back to work by itself',
  { timeout: 240_000 },
  async () => {
    const { client, controller } = small.datacenter;
    // The folder of checks and that of commands are one here: the command is no check, and is known by its warning alone.
    script(
      'kernel',
      '[ "$1" = install ] && sleep 1 && touch "$DROVER_AGENT_DIR/installed"',
      'if [ -e "$DROVER_AGENT_DIR/installed" ]; then s=ok; else s=warning; fi',
      `printf '{"state": "%s", "reason": "a new kernel is there"}' $s`,
    );
    const homes = new Map((await small.vms()).map(({ name, hostId }) => [name, hostId]));
    const policy = await client.maintenancePolicies.create({
      clusterId: small.cluster.id,
      name: 'kernel',
      windows: [{ cron: '0 0 * * *', durationMinutes: 10_080 }],
      triggers: [{ kind: 'health', checks: ['custom'], atLeast: 'warning' }],
      action: { kind: 'command', name: 'kernel', arguments: ['install'] },
    });
    const runs = async () => (await client.maintenance.runs({ policyId: policy.id })).items.toReversed();
    // The controller dies in the middle of it.
    await eventually(async () => expect((await runs()).some(({ phase }) => phase === 'acting')).toBe(true), 120_000);
    process.kill(controller.pid!, 'SIGKILL');
    await eventually(async () => expect((await runs()).map(({ phase }) => phase)).toEqual(['done', 'done']), 180_000);
    const [first, second] = await runs();
    expect(Date.parse(second!.startedAt!)).toBeGreaterThanOrEqual(Date.parse(first!.endedAt!));
    for (const run of [first!, second!]) {
      expect(run).toMatchObject({
        trigger: 'health',
        reason: 'kernel: a new kernel is there',
        command: { exitCode: 0 },
      });
      expect(run.timeline.map(({ phase }) => phase)).toEqual(
        expect.arrayContaining(['waiting', 'evacuating', 'acting', 'checking', 'done']),
      );
      for (const vm of run.vms) expect(vm.state).toBe('returned');
    }
    expect([...first!.vms, ...second!.vms].map(({ vmName }) => vmName).toSorted()).toEqual(
      [...homes.keys()].toSorted(),
    );
    for (const [name, hostId] of homes) {
      expect((await small.vm(name)).hostId).toBe(hostId);
      await small.expectBeating(name);
    }
    for (const { status, health } of await small.hosts()) {
      expect(status).toBe('up');
      expect(health!.checks).toContainEqual(
        expect.objectContaining({ kind: 'custom', subject: 'kernel', state: 'ok' }),
      );
    }
  },
);
