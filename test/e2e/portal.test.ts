import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CreateAffinityGroup, MigrationDecision } from '#contracts';
import { hasChromium, openBrowser, Portal } from './portal-pages.js';
import { PORTAL, PortalServer } from './portal-server.js';

if (!hasChromium) console.log('The portal is not tested: there is no /usr/bin/chromium.');

const throttled = MigrationDecision.parse({
  ...{ number: 1, at: new Date().toISOString(), by: 'controller', means: 'throttle', value: 70, pass: 2 },
  reason:
    'the guest writes 200.0 MiB/s, the link carries 100.0 MiB/s, 512.0 MiB remain: as it goes it would not end, 50.0 s are left; vCPUs throttled by 70 %: expected to end in about 9.0 s with a pause of 120 ms, 6.3 s of the guest’s time lost',
  figures: {
    ...{ elapsedMs: 10_000, leftMs: 50_000, remainingBytes: 2 ** 29, bandwidthMiBps: 100, dirtyRateMiBps: 200 },
    ...{ expectedTotalMs: null, expectedDowntimeMs: null },
    candidates: [
      { means: 'throttle', value: 70, totalMs: 9000, downtimeMs: 120, lostMs: 6300, verdict: '' },
      { means: 'xbzrle', value: 64, totalMs: null, downtimeMs: null, lostMs: null, verdict: 'would not end it' },
    ],
  },
});

describe.skipIf(!hasChromium)('the portal in a browser', () => {
  let browser: Browser;
  let server: PortalServer;
  let portal: Portal;

  beforeAll(async () => {
    if (!existsSync(join(PORTAL, 'index.html'))) throw new Error('Build the portal first: npm run build');
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    server = new PortalServer();
    await server.start();
    portal = await Portal.open(browser, server.url, server.token);
  });
  afterEach(async () => {
    await portal.close();
    await server.stop();
    if (portal.faults.length > 0) throw new Error(`faults of the page: ${portal.faults.join('; ')}`);
  });

  test('a wrong token is told apart; the right one leads to where one wanted to go', async () => {
    await portal.visit('/vms?status=down');
    await portal.signIn('not-the-token');
    await portal.page.getByText('does not know this token').waitFor();
    await portal.signIn();
    await portal.waitForHeading('Virtual machines');
    await portal.page.getByText('1 of 6 VMs').waitFor();
    await portal.page.getByRole('button', { name: 'Sign out' }).click();
    await portal.page.getByLabel('Admin token').waitFor();
    await portal.page.reload();
    await portal.page.getByLabel('Admin token').waitFor();
  });

  test('a token in the address is taken over and does not stay there', async () => {
    await portal.arriveWithToken('/hosts');
    await portal.waitForHeading('Hosts');
    expect(portal.page.url()).toBe(`${server.url}/hosts`);
  });

  test('the dashboard shows a VM move from host to host without a reload', async () => {
    await portal.arriveWithToken();
    await portal.waitForVmOn('vm-2', 'host-1');
    await portal.page.getByText('Nothing moves.').waitFor();
    const migration = server.beginMigration(
      server.vm('vm-2'),
      server.host('host-3'),
      'evens out CPU',
      server.plans[0]!.id,
    );
    server.step(migration);
    server.step(migration);
    await portal.page.getByRole('progressbar', { name: 'Migration of vm-2' }).waitFor();
    await portal.page.getByText(/of 256 MiB left/).waitFor();
    server.complete(migration);
    await portal.waitForVmOn('vm-2', 'host-3');
    await portal.page.getByText('vm-2 runs on host-3').waitFor();
    await portal.page.getByText('Nothing moves.').waitFor();
  });

  test('a long list is shown by page, and found by name and status', async () => {
    for (let n = 7; n <= 120; n++) server.vms.push({ ...server.vm('vm-2'), id: randomUUID(), name: `vm-${n}` });
    await portal.arriveWithToken('/vms');
    const rows = portal.page.getByRole('grid', { name: 'Virtual machines' }).locator('tbody tr');
    await portal.page.getByRole('link', { name: 'vm-50', exact: true }).waitFor();
    expect(await rows.count()).toBe(50);
    await portal.page.getByRole('button', { name: 'Go to next page' }).press('Enter');
    await portal.page.getByRole('link', { name: 'vm-51', exact: true }).waitFor();
    await portal.page.getByLabel('Filter by name').fill('vm-12');
    await portal.page.getByText('2 of 120 VMs').waitFor();
    expect(await rows.count()).toBe(2);
    await portal.visit('/hosts?status=maintenance');
    await portal.page.getByText('No host matches').waitFor();
    await portal.page.getByRole('button', { name: 'Clear filters' }).first().click();
    await portal.page.getByText('3 hosts', { exact: true }).waitFor();
  });

  test('a lost connection is told, comes back by itself, and what was missed is caught up', async () => {
    await portal.arriveWithToken();
    await portal.waitForVmOn('vm-4', 'host-1');
    server.refusesStreams = true;
    server.cutStreams();
    await portal.page.getByText('The connection to the controller is lost').waitFor();
    server.vms.splice(server.vms.indexOf(server.vm('vm-4')), 1); // deleted while nobody listens
    server.refusesStreams = false;
    await portal.page.getByText('The connection to the controller is lost').waitFor({ state: 'detached' });
    await portal.page.getByText('vm-4', { exact: true }).waitFor({ state: 'detached' });
  });

  test('a VM is created; what is wrong is told at its field, by the form and by the controller', async () => {
    await portal.arriveWithToken('/vms');
    await portal.createVm('vm-1', { vcpus: 99 });
    await portal.page.getByText('at most 16').waitFor();
    await portal.page.getByLabel('vCPUs').fill('2');
    await portal.page.getByLabel('Networks').fill('default, dmz,');
    await portal.page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await portal.page.getByText('vm-1 exists; choose another').waitFor();
    await portal.page.getByRole('dialog').getByLabel('Name').fill('vm-7');
    await portal.page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await portal.waitForHeading('vm-7');
    expect(server.vm('vm-7')).toMatchObject({ vcpus: 2, memoryMiB: 128, image: 'pager' });
    await portal.page.getByText('dmz 52:54:00:12:34:51').waitFor();
  });

  test("a VM's console counts on and takes input; the VM migrates to the chosen host", async () => {
    const vm = server.vm('vm-5');
    await portal.arriveWithToken(`/vms/${vm.id}`);
    const console = portal.consoleOf('vm-5');
    await console.getByText('seq=15').first().waitFor();
    await console.click();
    await portal.page.keyboard.type('help');
    await portal.page.keyboard.press('Enter');
    await vi.waitFor(() => expect(server.typed.join('')).toBe('help\r'), { timeout: 90_000 });
    await portal.migrateTo('host-3');
    await portal.waitForHeading('vm-5 #2');
    const migration = server.migrations[0]!;
    for (let pass = 0; pass < 4; pass++) server.step(migration);
    await portal.page.getByRole('grid', { name: 'Iterations' }).getByText('4', { exact: true }).first().waitFor();
    server.complete(migration);
    await portal.page.getByText('Final pages').waitFor();
    await portal.page.getByRole('link', { name: 'vm-5' }).click();
    await portal.page.getByText('2 in its life').waitFor();
  });

  test('a host goes into maintenance with a reason, after one has seen what becomes of its VMs', async () => {
    await portal.arriveWithToken(`/hosts/${server.host('host-1').id}`);
    await portal.setToMaintenance('new memory');
    await portal.page.getByText('Preparing for maintenance').waitFor();
    expect(server.host('host-1').statusReason).toBe('new memory');
    await portal.page.getByRole('button', { name: 'Cancel maintenance' }).click();
    await portal.page.getByRole('button', { name: 'Set to maintenance…' }).waitFor();
  });

  test("a new host's token is shown once, with the command for its agent", async () => {
    await portal.arriveWithToken('/hosts');
    await portal.page.getByRole('button', { name: 'Add host' }).click();
    await portal.page.getByRole('dialog').getByLabel('Name').fill('host-4');
    await portal.page.getByRole('dialog').getByRole('button', { name: 'Add host' }).click();
    const token = portal.page.getByRole('textbox', { name: 'Enrolment token' });
    expect(await token.inputValue()).toBe('enrol-0123456789abcdef');
    await portal.page.getByRole('button', { name: 'I have copied the token' }).click();
    await portal.page.getByRole('grid', { name: 'Hosts' }).getByText('Waits for agent').waitFor();
    expect(await portal.page.content()).not.toContain('enrol-0123456789abcdef');
  });

  test('a policy is tried with its reasons, then applied', async () => {
    await portal.arriveWithToken('/policies');
    await portal.page.getByLabel('MinimumGain').fill('200');
    await portal.page.getByRole('button', { name: 'Dry run' }).click();
    await portal.page.getByText('at most 100').waitFor();
    await portal.page.getByLabel('MinimumGain').fill('2');
    await portal.page.getByRole('button', { name: 'Dry run' }).click();
    await portal.page.getByText('2 moves lower the imbalance').waitFor();
    await portal.page.getByText('Considered, and not done: 3').waitFor();
    await portal.applyPolicy();
    expect(server.clusters[0]!.schedulingPolicy).toMatchObject({ parameters: { MinimumGain: 2 } });
    await portal.choosePolicy('none');
    await portal.applyPolicy();
    expect(server.clusters[0]!.schedulingPolicy).toEqual({ name: 'none' });
  });

  test('what another policy would do is shown beside the present one, with hosts away and VMs more', async () => {
    await portal.arriveWithToken('/policies?tab=what-if');
    const question = portal.page.getByRole('region', { name: 'What if' });
    await question.getByRole('radio', { name: 'power_saving' }).check();
    await question.getByLabel('Without hosts').fill('host-9');
    await question.getByRole('button', { name: 'Ask' }).click();
    await question.getByText('there is no host host-9').waitFor();
    await question.getByLabel('Without hosts').fill('host-3');
    await question.getByLabel('With more VMs').fill('2');
    await question.getByLabel('Memory of each').fill('200000');
    await question.getByRole('button', { name: 'Ask' }).click();
    const now = portal.page.getByRole('region', { name: 'As it is: evenly_distributed' });
    const then = portal.page.getByRole('region', { name: 'As supposed: power_saving' });
    await now.getByText('Power 300 W now, 300 W after.').waitFor();
    await then.getByText('Power 300 W now, 200 W after.').waitFor();
    await then.getByText('2 new VMs would find no host').waitFor();
    await then.getByText('carries 71 % of its CPU').first().waitFor();
  });

  test('an affinity group is changed, and meanwhile shows who would break it', async () => {
    const [one, two] = server.vms.filter(({ hostId }) => hostId === server.host('host-1').id);
    const rule = { enabled: true, positive: true, enforcing: true };
    const created = { clusterId: server.clusters[0]!.id, name: 'web', vmsRule: rule, vmIds: [one!.id, two!.id] };
    server.affinityGroups.push({
      ...CreateAffinityGroup.parse(created),
      ...{ id: randomUUID(), violations: [], createdAt: new Date().toISOString() },
    });
    await portal.arriveWithToken('/policies?tab=affinity');
    await portal.page.getByRole('button', { name: 'Actions for web' }).click();
    await portal.page.getByRole('menuitem', { name: 'Change…' }).click();
    const dialog = portal.page.getByRole('dialog');
    await dialog.getByText('No VM breaks it now.').waitFor();
    await dialog.getByLabel('Its VMs run').selectOption('apart');
    await dialog.getByText('2 VMs would break it now').waitFor();
    await dialog.getByRole('checkbox', { name: 'Hard', exact: true }).uncheck();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(server.affinityGroups[0]!.vmsRule).toEqual({ enabled: true, positive: false, enforcing: false });
  });

  test("a VM's page tells its migrations, and what a move would take; a migration's page its log", async () => {
    const vm = server.vm('vm-3');
    server.migrations.find(({ vmId }) => vmId === vm.id)!.decisions = [throttled];
    await portal.arriveWithToken(`/vms/${vm.id}`);
    const hops = portal.page.getByRole('list', { name: 'Migrations across hosts' });
    await hops.getByText('controller 1.2.3').first().waitFor();
    await portal.page.getByRole('button', { name: 'Measure now' }).click();
    await portal.page.getByText('pre-copy alone ends').waitFor();
    await hops.getByRole('link').first().click();
    await portal.waitForHeading('vm-3 #1');
    const reasons = portal.page.getByRole('grid', { name: 'What decision 1 was taken from' });
    expect(await reasons.getByRole('row').nth(1).getByRole('gridcell').allInnerTexts()).toEqual([
      ...['Slower vCPUs (auto-converge), 70 %', '9 s', '120 ms', '6.3 s', 'chosen'],
    ]);
    expect(await reasons.getByRole('row').nth(2).innerText()).toMatch(/never.*would not end it/s);
    await portal.page.getByRole('button', { name: 'Show log' }).click();
    await portal.page.getByText('what the destination said').waitFor();
    await portal.page.getByText('source, vmm').waitFor();
  });

  test('a storage domain is created', async () => {
    await portal.arriveWithToken('/storage');
    await portal.page.getByText('Create one, and VMs can have disks.').waitFor();
    await portal.page.getByRole('button', { name: 'Create storage domain' }).click();
    await portal.page.getByRole('dialog').getByLabel('Name').fill('main');
    await portal.page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await portal.page
      .getByRole('gridcell', { name: 'main' })
      .or(portal.page.getByText('main', { exact: true }))
      .first()
      .waitFor();
    expect(server.storageDomains).toMatchObject([{ name: 'main', kind: 'local', path: 'disks' }]);
  });

  test('in a narrow window the navigation comes over the page, and goes when a place is chosen', async () => {
    await portal.page.setViewportSize({ width: 800, height: 900 });
    await portal.arriveWithToken();
    await portal.waitForHeading('Dashboard');
    const place = portal.page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Migrations' });
    await place.waitFor({ state: 'hidden' });
    await portal.page.getByRole('button', { name: 'Navigation' }).click();
    await place.click();
    await portal.waitForHeading('Migrations');
    await place.waitFor({ state: 'hidden' });
  });

  test('the theme can be chosen, and stays', async () => {
    await portal.arriveWithToken();
    const isDark = () => portal.page.evaluate(() => document.documentElement.classList.contains('pf-v6-theme-dark'));
    expect(await isDark()).toBe(false);
    await portal.page.getByRole('button', { name: 'Dark theme' }).click();
    await vi.waitFor(async () => expect(await isDark()).toBe(true), 90_000);
    await portal.page.reload();
    await portal.waitForHeading('Dashboard');
    expect(await isDark()).toBe(true);
  });

  test('power management is set with a password that is not shown; energy is told in sum and by day', async () => {
    await portal.arriveWithToken(`/hosts/${server.host('host-1').id}`);
    const panel = portal.page.getByRole('region', { name: 'Power' });
    await panel.getByText('fence_ipmilan at 10.0.9.1').waitFor();
    await panel.getByRole('button', { name: 'Change management' }).click();
    const dialog = portal.page.getByRole('dialog');
    await dialog.getByLabel('Password', { exact: true }).fill('secret');
    await dialog.getByLabel('More options').fill('lanplus');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('write NAME=VALUE').waitFor();
    await dialog.getByLabel('More options').fill('lanplus=1');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(server.managements).toMatchObject([
      { type: 'fence_agent', agent: 'fence_ipmilan', password: 'secret', options: { lanplus: '1' } },
    ]);
    await portal.visit('/energy');
    await portal.page.getByText(/kWh, \d+ %/).waitFor();
  });

  test.each([
    { width: 1440, colorScheme: 'light' },
    { width: 800, colorScheme: 'dark' },
  ] as const)('every page fits $width px, $colorScheme', async (view) => {
    await portal.close();
    portal = await Portal.open(browser, server.url, server.token, view);
    await portal.arriveWithToken();
    const { hosts, vms, migrations, plans } = server;
    const pages = {
      '/': 'Dashboard',
      '/hosts': 'Hosts',
      [`/hosts/${hosts[0]!.id}`]: 'host-1',
      '/vms': 'Virtual machines',
      [`/vms/${vms[0]!.id}`]: 'vm-1',
      '/storage': 'Storage',
      '/migrations': 'Migrations',
      [`/migrations/${migrations[0]!.id}`]: 'vm-3 #1',
      '/policies': 'Policies',
      '/policies?tab=migration': 'Policies',
      '/decisions': 'Decisions',
      [`/decisions/${plans[0]!.id}`]: 'Decision',
      '/energy': 'Energy',
      '/events': 'Events',
    };
    for (const [path, heading] of Object.entries(pages)) {
      await portal.visit(path);
      await portal.waitForHeading(heading);
      expect(await portal.isTooWide(), path).toBe(false);
    }
  });
});
