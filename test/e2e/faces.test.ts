/** The portal in a browser and the command line, on one real datacenter. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MigrationView, PlanView, VmView } from '#contracts';
import { hasChromium, openBrowser, Portal } from './portal-pages.js';
import { eventually, type SmallDatacenter, startSmallDatacenter } from './small-datacenter.js';

const CLI = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'cli', 'main.js');
let small: SmallDatacenter;

beforeAll(async () => {
  small = await startSmallDatacenter({ hosts: 2 });
  await small.createPager('web', 'host-1');
  await small.createPager('db', 'host-1');
});
afterAll(() => small?.stop());

describe.skipIf(!hasChromium)('portal', () => {
  let browser: Browser;
  let portal: Portal;

  beforeAll(async () => {
    browser = await openBrowser();
    portal = await Portal.open(browser, small.datacenter.url, small.datacenter.token);
  });
  afterAll(() => browser?.close());

  test('a VM is migrated from its page, and the dashboard shows it there without a reload', async () => {
    await portal.arriveWithToken();
    await portal.waitForVmOn('web', 'host-1');
    const dashboard = await Portal.open(browser, small.datacenter.url, small.datacenter.token);
    await dashboard.arriveWithToken();
    await dashboard.waitForVmOn('web', 'host-1');

    await portal.visit(`/vms/${(await small.vm('web')).id}`);
    await portal.waitForHeading('web');
    await portal.migrateTo('host-2');
    await dashboard.waitForVmOn('web', 'host-2');
    expect(dashboard.faults).toEqual([]);
    await dashboard.close();
    await small.expectBeating('web');
  });

  test("the console shows the guest's heartbeats", async () => {
    await portal.visit(`/vms/${(await small.vm('db')).id}`);
    await portal.page
      .getByText(/pager seq=\d+/)
      .first()
      .waitFor();
  });

  test('the policy is set, and its dry run explains itself', async () => {
    await portal.visit('/policies');
    await portal.waitForHeading('Policies');
    await portal.choosePolicy('evenly_distributed');
    await portal.applyPolicy();
    await eventually(async () => {
      const { schedulingPolicy } = await small.datacenter.client.clusters.get(small.cluster.id);
      expect(schedulingPolicy.name).toBe('evenly_distributed');
    });
  });

  test('a host is set to maintenance and gets empty', async () => {
    await portal.visit(`/hosts/${(await small.host('host-2')).id}`);
    await portal.setToMaintenance('new disks');
    await portal.page.getByText('Maintenance', { exact: true }).first().waitFor();
    await eventually(async () => expect((await small.host('host-2')).status).toBe('maintenance'));
    expect((await small.host('host-2')).vmCount).toBe(0);
    await small.datacenter.client.hosts.activate((await small.host('host-2')).id);
  });

  test('no script on these pages failed, and none asked another server for anything', () => {
    expect(portal.faults).toEqual([]);
  });
});

describe('drover', () => {
  const drover = async (...args: string[]) => {
    const env = { ...process.env, DROVER_URL: small.datacenter.url, DROVER_TOKEN: small.datacenter.token };
    return (await promisify(execFile)(process.execPath, [CLI, ...args], { env })).stdout;
  };

  const json = async <T>(...args: string[]) => JSON.parse(await drover('--json', ...args)) as T;

  test('sets a policy, here one that leaves alone what the following tests move', async () => {
    await drover('policies', 'set', 'test', 'none');
    expect((await small.datacenter.client.clusters.get(small.cluster.id)).schedulingPolicy).toEqual({ name: 'none' });
    await eventually(async () =>
      expect(await json<MigrationView[]>('migrations')).not.toContainEqual(expect.objectContaining({ endedAt: null })),
    );
  });

  test('shows hosts and VMs as tables and as JSON', async () => {
    expect(await drover('hosts')).toMatch(/^NAME +STATUS.*\nhost-1 +up/);
    const vms = await json<VmView[]>('vms');
    expect(vms.map((vm) => vm.name).toSorted()).toEqual(['db', 'web']);
    expect(await drover('vms', 'console', 'db')).toMatch(/pager seq=\d+/);
  });

  test('moves a VM, and shows the migration with its passes and the parts of its downtime', async () => {
    const db = await small.vm('db');
    const hosts = await small.hosts();
    const destination = hosts.find((host) => host.id !== db.hostId)!;
    await eventually(async () => expect((await small.vm('db')).status).toBe('up'));
    const { id } = await json<MigrationView>('vms', 'migrate', 'db', '--host', destination.name);
    await eventually(async () =>
      expect((await json<MigrationView>('migrations', 'show', id)).status).toBe('completed'),
    );
    const text = await drover('migrations', 'show', id);
    for (const part of ['PASS', 'finalPages', 'DIRTY MIB/S', 'completed']) expect(text).toContain(part);
    await small.expectBeating('db');
  });

  test('tries the policy dry, makes a VM and ends it', async () => {
    expect(await json<PlanView>('plan')).toMatchObject({ kind: 'dry_run' });
    await drover('vms', 'create', 'short', '--image', 'hello', '--append', 'exit=3', '--memory', '32');
    await eventually(async () => expect(await small.vm('short')).toMatchObject({ status: 'down', exitCode: 3 }));
    await drover('vms', 'remove', 'short');
    expect(await drover('events')).toContain('short');
  });
});
