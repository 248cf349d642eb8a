/**
 * `npm run screenshots`: the README's pictures, from the real portal of a demo datacenter in a folder of its own.
 * Migrations are slowed down, so that one sees them under way.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { Datacenter } from './datacenter.js';
import { HOSTS, populate, waitFor } from './demo.js';
import { freePort } from './postgres.js';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'];
const IMAGES = 'docs/images';
const say = (line: string) => console.error(`screenshots: ${line}`);

/** A migration that has something to show: some passes behind it, and some way to go. */
async function migrationUnderWay(datacenter: Datacenter): Promise<string> {
  return waitFor('a migration', async () => {
    const { items } = await datacenter.client.migrations.list({ status: 'precopy' });
    return items.find(({ progress }) => progress && progress.transferredBytes > 2 ** 24)?.id;
  });
}

async function takePictures(datacenter: Datacenter, page: Page): Promise<void> {
  const { url, token, client } = datacenter;
  const show = async (path: string) => {
    await page.goto(url + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForTimeout(1500); // charts and meters glide to their values
  };
  const keep = (name: string) => page.screenshot({ path: join(IMAGES, `${name}.png`) });

  await page.goto(`${url}/#token=${token}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  const id = await migrationUnderWay(datacenter);
  await show('/');
  await keep('dashboard');
  await show(`/migrations/${id}`);
  await keep('migration');
  const plan = (await client.plans.list({ kind: 'applied' })).items.find(({ moves }) => moves.length > 0);
  await show(`/decisions/${plan!.id}`);
  await keep('decision');
}

async function main(): Promise<void> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing; install Debian's package chromium.`);
  mkdirSync(IMAGES, { recursive: true });
  const dir = mkdtempSync(join(tmpdir(), 'drover-screenshots-'));
  chmodSync(dir, 0o711);
  const datacenter = await Datacenter.start({ dir, port: await freePort(), durable: false, say });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const { client } = datacenter;
    const slow = await client.migrationPolicies.create({ name: 'slow', bandwidthMiBps: 8 });
    const cluster = await client.clusters.create({ name: 'demo', migrationPolicyId: slow.id });
    for (const host of HOSTS) await datacenter.startHost(host, cluster.id);
    await populate(client, cluster, dir);
    await takePictures(datacenter, await browser.newPage({ viewport: { width: 1440, height: 900 } }));
  } finally {
    await browser.close();
    await datacenter.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

await main().catch((error: Error) => {
  say(error.message);
  process.exitCode = 1;
});
