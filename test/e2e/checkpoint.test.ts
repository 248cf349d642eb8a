/** VMs that come back to where their memory has been kept: between processes, and between agents. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventually, lastBeat, TwoHosts } from '../agent/two-hosts.js';
import {
  EVENTUALLY,
  expectGuestGoesOn,
  migrationEnd,
  queryMigrate,
  ramHash,
  startDestination,
  startGuest,
  type Running,
} from './pager-migration.js';

const PAGE_BYTES = 4096;

interface QueryCheckpoint {
  readonly status: string;
  readonly pages?: number;
  readonly bytes?: number;
  readonly 'error-desc'?: string;
}

const savedPages = async (source: Running): Promise<number> =>
  ((await queryMigrate(source))['x-drover'] as { savedPages?: number }).savedPages!;

/** Has a VM that has left write its memory. */
async function saveCheckpoint({ qmp }: Running, path: string, more: object = {}): Promise<QueryCheckpoint> {
  await qmp.execute('x-drover-save-checkpoint', { path, ...more });
  return vi.waitFor(async () => {
    const answer = await qmp.execute<QueryCheckpoint>('x-drover-query-checkpoint');
    if (answer.status === 'writing') throw new Error('still writing');
    return answer;
  }, EVENTUALLY);
}

/** Moves the VM to a new process that has that checkpoint of it. */
async function moveTo(source: Running, checkpoint: string | null, args: readonly string[] = []): Promise<Running> {
  const destination = await startDestination(['-incoming', 'defer', ...args]);
  const uri = `unix:${join(destination.vmm.folder, 'migration')}`;
  const arrival = { uri, ...(checkpoint !== null && { 'x-drover-checkpoint': checkpoint }) };
  await destination.qmp.execute('migrate-incoming', arrival);
  await source.qmp.execute('migrate', { uri });
  expect(await migrationEnd(source)).toMatchObject({ status: 'completed', 'x-drover': { confirmed: true } });
  return destination;
}

describe('between two processes', () => {
  test('there and back: what has not changed is not sent again, and no page is wrong', async () => {
    const first = await startGuest(4);
    const checkpoint = join(first.vmm.folder, 'memory');
    await expect(first.qmp.execute('x-drover-save-checkpoint', { path: checkpoint })).rejects.toThrow('has not left');
    const second = await moveTo(first, null);
    expect(await savedPages(first)).toBe(0);
    expect(await first.qmp.execute('x-drover-query-checkpoint')).toEqual({ status: 'none' });

    const tooSmall = await saveCheckpoint(first, checkpoint, { 'max-size': 100_000 });
    expect(tooSmall).toMatchObject({ status: 'failed', 'error-desc': expect.stringContaining('more than the 100000') });
    const written = await saveCheckpoint(first, checkpoint);
    expect(written).toMatchObject({ status: 'written', bytes: statSync(checkpoint).size });
    expect(written.pages).toBeGreaterThan(16 * 256 * 0.9); // the guest's region, and not its 64 MiB of RAM
    expect(written.pages).toBeLessThan(24 * 256);
    expect(existsSync(`${checkpoint}.new`)).toBe(false);

    await expectGuestGoesOn(second);
    const third = await moveTo(second, checkpoint, ['-S']);
    const saved = await savedPages(second);
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(written.pages!); // it has written meanwhile
    expect((await queryMigrate(second)).ram.transferred).toBeLessThan(
      written.bytes! - saved * PAGE_BYTES + 8 * 2 ** 20,
    );
    expect(await ramHash(third)).toBe(await ramHash(second));
    await third.qmp.execute('cont');
    await expectGuestGoesOn(third);
  });

  test('a checkpoint is a hint and no more: what is wrong in it is sent, and one that is damaged is passed over', async () => {
    const first = await startGuest(1);
    const second = await moveTo(first, null);
    const checkpoint = join(first.vmm.folder, 'memory');
    const { pages } = await saveCheckpoint(first, checkpoint);
    const bytes = readFileSync(checkpoint);
    for (let at = bytes.length - PAGE_BYTES; at > bytes.length / 2; at -= 2 * PAGE_BYTES) bytes[at]! ^= 1;
    writeFileSync(checkpoint, bytes);
    const third = await moveTo(second, checkpoint, ['-S']);
    const saved = await savedPages(second);
    expect(saved).toBeGreaterThan(0);
    expect(saved).toBeLessThan(pages! * 0.8);
    expect(await ramHash(third)).toBe(await ramHash(second));

    await third.qmp.execute('cont');
    truncateSync(checkpoint, bytes.length - 1);
    const fourth = await moveTo(third, checkpoint);
    expect(await savedPages(third)).toBe(0);
    expect(fourth.vmm.stderr).toContain('not complete');
    await expectGuestGoesOn(fourth);
  });
});

describe('between two agents', () => {
  let hosts: TwoHosts;
  beforeAll(async () => {
    hosts = await TwoHosts.start();
  });
  afterAll(() => hosts?.stop());

  test('there and back; the host that it left keeps it, and no longer than it is told to', async () => {
    const { a, b, controller } = hosts;
    const vm = await hosts.startPager(a);
    const ends = async (agent: typeof a, migrationId: string) =>
      eventually(() => {
        const report = agent.host.last.migrations.find((each) => each.migrationId === migrationId);
        expect(report, JSON.stringify(report?.error)).toMatchObject({ status: 'completed' });
        expect(report!.log).not.toEqual([]); // its process has ended as well
        return report!;
      }, 90_000);
    const move = async (from: typeof a, to: typeof a, epoch: number, checkpointLimitMiB: number) => {
      const migrationId = randomUUID();
      const order = from.migrateTo(to, { ...vm, epoch }, migrationId);
      await controller.order(from.host, { ...order, checkpointLimitMiB });
      return ends(from, migrationId);
    };

    const beat = lastBeat(a, vm.vmId);
    expect((await move(a, b, 1, 100)).progress?.savedPages).toBe(0);
    await eventually(() => expect(a.host.last.checkpoints).toMatchObject([{ vmId: vm.vmId }]));
    expect(a.host.last.checkpoints[0]!.sizeMiB).toBeLessThan(32);
    expect(a.host.vm(vm.vmId)).toBeUndefined();
    expect(a.vmmPids(vm.vmId)).toEqual([]);
    await hosts.expectUp(b, vm.vmId, beat);

    const back = await move(b, a, 2, 0);
    expect(back.progress!.savedPages).toBeGreaterThan(0);
    await hosts.expectUp(a, vm.vmId, beat + 1);
    await eventually(() => expect(a.host.last.checkpoints).toEqual([])); // it is of no use any more
    expect(b.host.last.checkpoints).toEqual([]); // its policy did not allow it

    await move(a, b, 3, 100);
    await eventually(() => expect(a.host.last.checkpoints).toHaveLength(1));
    a.host.answer = { ...a.host.answer, forgetCheckpoints: [vm.vmId] };
    await eventually(() => expect(a.host.last.checkpoints).toEqual([]));
    await hosts.expectUp(b, vm.vmId, beat + 1);
  });
});
