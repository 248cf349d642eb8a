/** QEMU's guests on two hosts with real agents: on the network of ours, found again, moved, and never twice. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationReport } from '#contracts';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, lastBeat, pager, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { isInstalled } from '../programs.js';
import { answeredIn } from './echo.js';

/** What may be needed is agreed upon by both ends before the migration begins. */
const POLICY = { means: [{ means: 'throttle' as const }, { means: 'post_copy' as const }] };

const onQemu = (job: StartJob): StartJob => ({
  ...job,
  spec: { ...job.spec, hypervisor: 'qemu', architecture: 'riscv64' },
});

/** A guest that asks another one all the time. */
const echo = (n: number, peer: number): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    name: `echo-${n}`,
    vcpus: 1,
    memoryMiB: 32,
    image: 'echo',
    append: `ip=10.0.0.${n} peer=10.0.0.${peer} interval_ms=20 line_ms=200`,
    nics: [{ network: 'default', mac: `52:54:00:00:00:0${n}` }],
    disks: [],
  },
});

describe.runIf(isInstalled('qemu-system-riscv64', "QEMU's guests on two hosts"))("QEMU's guests", () => {
  let hosts: TwoHosts;
  let a: AgentProcess;
  let b: AgentProcess;

  beforeAll(async () => {
    hosts = await TwoHosts.start();
    ({ a, b } = hosts);
    hosts.introduce();
  });
  afterAll(() => hosts?.stop());

  const ends = (agent: AgentProcess, migrationId: string, status: MigrationReport['status']) =>
    eventually(() => {
      const report = agent.host.last.migrations.find((each) => each.migrationId === migrationId);
      expect(report, JSON.stringify(report?.error)).toMatchObject({ status });
      return report!;
    }, 90_000);
  const answered = (agent: AgentProcess, { vmId }: StartJob) => answeredIn(agent.host.vm(vmId)?.consoleTail ?? '');
  const expectAnswers = async (agent: AgentProcess, vm: StartJob) => {
    const before = answered(agent, vm);
    await eventually(() => expect(answered(agent, vm)).toBeGreaterThan(before + 10));
  };

  test("reach those on Drover's own VMM, while the agent dies and while they move", async () => {
    expect(a.host.last.drivers).toContainEqual(
      expect.objectContaining({ hypervisor: 'qemu', architecture: 'riscv64', accelerator: 'tcg' }),
    );
    const [moving, staying] = [onQemu(echo(1, 2)), echo(2, 1)];
    await hosts.controller.order(a.host, moving);
    await hosts.controller.order(b.host, staying);
    await expectAnswers(a, moving);
    await expectAnswers(b, staying);

    await a.end('SIGKILL');
    a.start();
    await eventually(() => expect(a.host.vm(moving.vmId)?.status).toBe('up'));
    await expectAnswers(a, moving);

    const migrationId = randomUUID();
    await hosts.controller.order(a.host, a.migrateTo(b, moving, migrationId, { convergence: POLICY }));
    const { downtimeMs, progress } = await ends(a, migrationId, 'completed');
    expect(downtimeMs).toBeGreaterThanOrEqual(0);
    expect(progress!.transferredBytes).toBeGreaterThan(0);
    await expectAnswers(b, moving);
    await expectAnswers(b, staying);
    expect(a.vmmPids(moving.vmId)).toEqual([]);
    await hosts.powerOff(b, moving, 2);
    await hosts.powerOff(b, staying);
  });

  test('move with a disk that the other host does not see', async () => {
    const disk = {
      ...{ name: 'data', sizeMiB: 16, storageDomainId: randomUUID(), storageDomain: 'main', sourceImage: null },
      ...{ kind: 'local' as const, path: 'disks' },
    };
    const vm = onQemu({ ...pager('', 64), makeDisks: true });
    const job: StartJob = { ...vm, spec: { ...vm.spec, image: 'disk', append: 'region=2 rate=200', disks: [disk] } };
    const beats = (agent: AgentProcess) => {
      const { consoleTail = '' } = agent.host.vm(job.vmId) ?? {};
      expect(consoleTail).not.toContain('ERROR');
      return Number([...consoleTail.matchAll(/^disk seq=(\d+) /gm)].at(-1)?.[1] ?? 0);
    };
    await hosts.controller.order(a.host, job);
    await eventually(() => expect(beats(a)).toBeGreaterThan(0));
    const fileOn = (agent: AgentProcess) => join(agent.dir, 'disks', job.vmId, 'data.raw');

    const slow = randomUUID();
    await hosts.controller.order(a.host, a.migrateTo(b, job, slow, { bandwidthMiBps: 1 }));
    await eventually(() => expect(b.vmmPids(job.vmId)).toHaveLength(1));
    expect((await a.request('POST', `/v1/migrations/${slow}/cancel`)).status).toBe(202);
    await ends(a, slow, 'cancelled');
    await eventually(() => expect(existsSync(fileOn(b))).toBe(false));
    const before = beats(a);
    await eventually(() => expect(beats(a)).toBeGreaterThan(before));

    const migrationId = randomUUID();
    await hosts.controller.order(a.host, a.migrateTo(b, job, migrationId, { epoch: 3 }));
    const { progress } = await ends(a, migrationId, 'completed');
    expect(progress!.disks!.transferredBytes).toBeGreaterThan(2 ** 20);
    const arrived = await eventually(() => beats(b));
    await eventually(() => expect(beats(b)).toBeGreaterThan(arrived));
    expect([existsSync(fileOn(a)), existsSync(fileOn(b))]).toEqual([false, true]);
    await hosts.powerOff(b, job, 3);
  });

  test('are sent anew when their policy wants what QEMU has from the beginning of a migration or not at all', async () => {
    const vm = onQemu(pager('region=8 rate=max', 64));
    await hosts.startPager(a, vm);
    const migrationId = randomUUID();
    const means = [{ means: 'multifd' as const }, { means: 'suspend' as const }];
    const convergence = { mode: 'ordered' as const, means, deadlineSeconds: 120 };
    const limits = { bandwidthMiBps: 8, timeoutSeconds: 240, convergence };
    await hosts.controller.order(a.host, a.migrateTo(b, vm, migrationId, limits));
    await ends(a, migrationId, 'precopy');
    await hosts.controller.goAway(); // the agent decides
    const ended = new RegExp(`"migrationId":"${migrationId}".*"status":"completed".*migration ended`);
    await eventually(() => expect(a.log).toMatch(ended), 180_000);
    await hosts.controller.listen();
    const { decisions, progress } = await ends(a, migrationId, 'completed');
    expect(decisions[0]).toMatchObject({ by: 'agent', means: 'multifd', restarted: true, failure: null });
    expect(progress!.multifdBytes).toBeGreaterThan(0);
    // QEMU's translator may lose writes of such a guest, whoever moves it: nothing is asked of it any more.
    await hosts.controller.order(b.host, { kind: 'stop', vmId: vm.vmId, epoch: 2, mode: 'power_off' });
    await eventually(() => expect([a.vmmPids(vm.vmId), b.vmmPids(vm.vmId)]).toEqual([[], []]));
  }, 240_000);

  test('stay when a migration is cancelled, and arrive although the agent died that had ordered it', async () => {
    const vm = onQemu(pager('region=16 rate=1', 64));
    await hosts.startPager(a, vm);
    const cancelled = randomUUID();
    await hosts.controller.order(a.host, a.migrateTo(b, vm, cancelled, { bandwidthMiBps: 2 }));
    await ends(a, cancelled, 'precopy');
    expect((await a.request('POST', `/v1/migrations/${cancelled}/cancel`)).status).toBe(202);
    await ends(a, cancelled, 'cancelled');
    const beat = lastBeat(a, vm.vmId);
    await hosts.expectUp(a, vm.vmId, beat);
    await eventually(() => expect(b.vmmPids(vm.vmId)).toEqual([]));

    const migrationId = randomUUID();
    await hosts.controller.order(a.host, a.migrateTo(b, vm, migrationId, { bandwidthMiBps: 8, epoch: 3 }));
    await ends(a, migrationId, 'precopy');
    await a.end('SIGKILL');
    // The source has let go, everything is at the destination, and nobody is there to say that it may run.
    const qmp = await a.monitor(vm.vmId);
    await eventually(async () => expect(await qmp.execute('query-status')).toMatchObject({ status: 'postmigrate' }));
    qmp.close();
    await eventually(() => expect(b.host.vm(vm.vmId)).toMatchObject({ status: 'loaded', epoch: 3 }));
    a.start();
    await ends(a, migrationId, 'completed');
    await hosts.expectUp(b, vm.vmId, beat);
    expect([a.vmmPids(vm.vmId), b.vmmPids(vm.vmId).length]).toEqual([[], 1]);
    await hosts.powerOff(b, vm, 3);
  });
});
