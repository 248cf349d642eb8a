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
    portal.page.setDefaultTimeout(60_000);
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
