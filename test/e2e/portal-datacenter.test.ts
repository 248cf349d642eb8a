/** The portal on a real datacenter: what it shows is what runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasChromium, openBrowser, Portal } from './portal-pages.js';
import { PORTAL } from './portal-server.js';
import { eventually, type SmallDatacenter, startSmallDatacenter } from './small-datacenter.js';

if (!hasChromium) console.log('The portal is not tested on a datacenter: there is no /usr/bin/chromium.');

describe.skipIf(!hasChromium)('the portal of a running datacenter', () => {
  let small: SmallDatacenter;
  let browser: Browser;
  let portal: Portal;

  beforeAll(async () => {
    if (!existsSync(join(PORTAL, 'index.html'))) throw new Error('Build the portal first: npm run build');
    small = await startSmallDatacenter({ hosts: 2, expectsDeaths: true });
    browser = await openBrowser();
    portal = await Portal.open(browser, small.datacenter.url, small.datacenter.token);
    portal.page.setDefaultTimeout(90_000);
  });
  afterAll(async () => {
    await browser?.close();
    await small?.stop();
  });

  test('a VM is created, writes to its console, is migrated by hand and writes on', async () => {
    await portal.arriveWithToken('/vms');
    await portal.createVm('first', { commandLine: 'region=16 rate=2' });
    await portal.waitForHeading('first');
    await portal.consoleOf('first').getByText('seq=2 ').first().waitFor();
    const from = (await small.vm('first')).hostId;
    const to = (await small.hosts()).find(({ id }) => id !== from)!;
    await portal.migrateTo(to.name);
    await portal.waitForHeading('first #1');
    await portal.page.getByText('Final pages').waitFor();
    expect((await small.vm('first')).hostId).toBe(to.id);
    await portal.page.getByRole('link', { name: 'first', exact: true }).click();
    await small.expectBeating('first');
    await portal.page.getByText('1 in its life').waitFor();
  });

  test('the dashboard shows how a policy spreads VMs, with its reasons', { timeout: 240_000 }, async () => {
    for (const name of ['a', 'b', 'c', 'd']) await small.createPager(name, 'host-1');
    await portal.visit('/policies');
    await portal.choosePolicy('evenly_distributed');
    await portal.page.getByRole('button', { name: 'Dry run' }).click();
    await portal.page.getByText('Imbalance now').waitFor();
    await portal.applyPolicy();
    await portal.visit('/');
    await eventually(async () => {
      for (const host of await small.hosts()) expect(host.vmCount, host.name).toBeGreaterThanOrEqual(2);
    }, 180_000);
    for (const vm of await small.vms()) {
      const host = (await small.hosts()).find(({ id }) => id === vm.hostId)!;
      await portal.waitForVmOn(vm.name, host.name);
    }
    await portal.page.getByRole('link', { name: 'All decisions' }).click();
    await portal.page.getByRole('grid', { name: 'Decisions' }).getByRole('link').first().click();
    await portal.page.getByText('What it does').waitFor();
  });

  test('a VM is paused, resumed, changed, switched off, started, and deleted', async () => {
    const { id } = await small.vm('d');
    const { page } = portal;
    const becomes = (status: string) =>
      eventually(async () => expect((await small.vm('d')).status).toBe(status), 90_000);
    await portal.visit(`/vms/${id}`);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await becomes('paused');
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await becomes('up');
    const change = await portal.openFromMenu('Actions for d', 'Change…');
    await change.getByLabel('Priority').fill('101');
    await change.getByRole('button', { name: 'Save' }).click();
    await change.getByText('at most 100').waitFor();
    await change.getByLabel('Priority').fill('100');
    await portal.confirm('Save');
    expect((await small.vm('d')).priority).toBe(100);
    const powerOff = async () => {
      await portal.openFromMenu('Actions for d', 'Power off…');
      await portal.confirm('Power off');
      await becomes('down');
    };
    await powerOff();
    await page.getByRole('button', { name: 'Start…' }).click();
    await portal.confirm('Start');
    await becomes('up');
    await powerOff();
    await portal.openFromMenu('Actions for d', 'Delete…');
    await portal.confirm('Delete VM');
    await portal.waitForHeading('Virtual machines');
    await expect(small.vm('d')).rejects.toThrow('there is no VM d');
  });

  test('clusters and migration policies are made and changed', async () => {
    const { page } = portal;
    const { client } = small.datacenter;
    await portal.visit('/policies?tab=migration');
    await page.getByRole('button', { name: 'Create migration policy' }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('gentle');
    await dialog.getByLabel('Downtime limit').fill('70');
    await portal.confirm('Create');
    await page.getByRole('grid', { name: 'Migration policies' }).getByText('gentle').waitFor();
    await page.getByRole('button', { name: 'Create cluster' }).first().click();
    await dialog.getByLabel('Name').fill('second');
    await dialog.getByLabel('Cooldown').fill('-1');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('at least 0').waitFor();
    await dialog.getByLabel('Cooldown').fill('30');
    await dialog.getByLabel('Migration policy').selectOption({ label: 'gentle' });
    await portal.confirm('Create');
    const { items: policies } = await client.migrationPolicies.list({});
    const { items: clusters } = await client.clusters.list({});
    const gentle = policies.find(({ name }) => name === 'gentle')!;
    expect(gentle.downtimeLimitMs).toBe(70);
    const second = clusters.find(({ name }) => name === 'second')!;
    expect(second).toMatchObject({ cooldownSeconds: 30, migrationPolicyId: gentle.id });
    await client.clusters.remove(second.id); // with one cluster, pages need not ask which
  });

  test('maintenance of a host is begun, waits for a VM that cannot leave, is paused, resumed and cancelled', async () => {
    const { page } = portal;
    const { client } = small.datacenter;
    const host = await small.host('host-1');
    const bound = (await small.vms()).find(({ hostId }) => hostId === host.id)!;
    await client.vms.update(bound.id, { placement: 'pinned' });
    await portal.visit(`/hosts/${host.id}`);
    const dialog = await portal.openFromMenu('Actions for host-1', 'Begin maintenance…');
    await dialog.getByText(`cannot leave host-1 as things are`).waitFor();
    await dialog.getByLabel('When it is empty').selectOption('power_cycle');
    await dialog.getByRole('button', { name: 'Begin' }).click();
    await dialog.getByText('say why, for those who find hosts empty').waitFor();
    await dialog.getByLabel('Reason').fill('new BMC');
    await portal.confirm('Begin');
    await portal.visit('/maintenance');
    await page
      .getByRole('grid', { name: 'Maintenance of hosts' })
      .first()
      .getByRole('link', { name: 'host-1' })
      .click();
    await portal.waitForHeading('Maintenance of host-1');
    await page.getByText(`${bound.name} is pinned`).first().waitFor();
    const run = async () => (await client.maintenance.runs({ hostId: host.id })).items[0]!;
    expect(await run()).toMatchObject({ reason: 'new BMC', procedure: { action: { kind: 'power_cycle' } } });
    await page.getByRole('button', { name: 'Pause' }).click();
    await eventually(async () => expect((await run()).phase).toBe('paused'));
    await page.getByRole('button', { name: 'Resume' }).click();
    await eventually(async () => expect((await run()).phase).toBe('waiting'));
    await page.getByRole('button', { name: 'Cancel…' }).click();
    await portal.confirm('Cancel maintenance');
    await page.getByText('cancelled by the administrator').first().waitFor();
    await client.vms.update(bound.id, { placement: 'migratable' });
    expect((await small.host('host-1')).status).toBe('up');
  });

  test('a plan that waits is approved, and its VM moves', async () => {
    const { page } = portal;
    const { client } = small.datacenter;
    const [fullest] = (await small.hosts()).toSorted((x, y) => y.vmCount - x.vmCount);
    const parameters = { HighVmCount: 1, MigrationThreshold: 2, SpmVmGrace: 0 };
    const schedulingPolicy = { name: 'vm_evenly_distributed' as const, parameters };
    await client.clusters.update(small.cluster.id, { planMode: 'partially_automated', schedulingPolicy });
    for (const name of ['e', 'f']) await small.createPager(name, fullest!.name);
    await portal.visit('/decisions');
    await page
      .getByRole('region', { name: 'Waiting for approval' })
      .getByRole('button', { name: 'Approve…' })
      .first()
      .click();
    await page.getByRole('dialog').getByLabel('Reason').fill('quiet now');
    await portal.confirm('Approve');
    await eventually(async () => {
      const { items } = await client.plans.list({});
      const approved = items.flatMap(({ moves }) => moves).find(({ decidedBy }) => decidedBy !== null)!;
      expect((await small.vm(approved.vmName)).hostId).toBe(approved.destinationHostId);
    }, 90_000);
  });

  test('a controller that is killed comes back, and the page goes on without being loaded again', async () => {
    const { client, controller } = small.datacenter;
    await portal.visit('/');
    await portal.waitForHeading('Dashboard');
    process.kill(controller.pid!, 'SIGKILL');
    await eventually(async () => {
      await client.vms.create({ name: 'later', clusterId: small.cluster.id, image: 'pager', start: false });
    });
    await portal.page.locator('[data-glide]', { hasText: 'later' }).waitFor();
    expect(portal.faults).toEqual([]);
  });
});
