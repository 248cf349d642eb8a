/** What an administrator does on the portal's pages, for any controller: address and token are all it takes. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const hasChromium = existsSync(CHROMIUM);

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

interface View {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

export class Portal {
  /** Errors that the page's scripts did not catch, what the content security policy refused, requests elsewhere. */
  readonly faults: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly url: string,
    private readonly token: string,
  ) {
    page.on('pageerror', ({ message }) => this.faults.push(message));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) this.faults.push(`asks another server: ${request.url()}`);
    });
  }

  static async open(browser: Browser, url: string, token: string, view: View = {}): Promise<Portal> {
    const { width = 1440, colorScheme = 'light' } = view;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.setDefaultTimeout(90_000);
    return new Portal(page, url, token);
  }

  async visit(path: string): Promise<void> {
    await this.page.goto(this.url + path);
  }

  /** Types the token on the page that asks for it. */
  async signIn(token = this.token): Promise<void> {
    await this.page.getByLabel('Admin token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  /** The token comes in the address, as the line that `npm start` prints has it. */
  async arriveWithToken(path = '/'): Promise<void> {
    await this.visit(`${path}#token=${encodeURIComponent(this.token)}`);
  }

  async waitForHeading(name: string): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  }

  /** Waits until the dashboard shows the VM on the host. */
  async waitForVmOn(vm: string, host: string): Promise<void> {
    await this.page.locator(`[data-host="${host}"] [data-glide][title^="${vm}:"]`).waitFor();
  }

  /** Opens the dialog, fills it in and sends it. */
  async createVm(name: string, fields: { vcpus?: number; commandLine?: string } = {}): Promise<void> {
    await this.page.getByRole('button', { name: 'Create VM' }).click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(name);
    if (fields.vcpus !== undefined) await dialog.getByLabel('vCPUs').fill(String(fields.vcpus));
    if (fields.commandLine !== undefined) await dialog.getByLabel('Kernel command line').fill(fields.commandLine);
    await dialog.getByRole('button', { name: 'Create' }).click();
  }

  /** The dialog that an entry of a menu opens. */
  async openFromMenu(menu: string, entry: string) {
    await this.page.getByRole('button', { name: menu }).click();
    await this.page.getByRole('menuitem', { name: entry }).click();
    return this.page.getByRole('dialog');
  }

  /** Sends the dialog that is open, and waits until it is done. */
  async confirm(verb: string): Promise<void> {
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('button', { name: verb, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  consoleOf = (vm: string) => this.page.getByRole('region', { name: `Console of ${vm}` });

  /** On a VM's page. */
  async migrateTo(host: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Migrate…' }).click();
    const dialog = this.page.getByRole('dialog');
    const option = dialog.getByLabel('Destination').locator('option', { hasText: host });
    await dialog.getByLabel('Destination').selectOption((await option.getAttribute('value'))!);
    await dialog.getByRole('button', { name: 'Migrate', exact: true }).click();
  }

  /** On a host's page. */
  async setToMaintenance(reason: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Set to maintenance…' }).click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill(reason);
    await dialog.getByRole('button', { name: 'Set to maintenance' }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** On the policies' page. */
  async choosePolicy(name: 'none' | 'evenly_distributed'): Promise<void> {
    await this.page.getByRole('radio', { name, exact: true }).check();
  }

  async applyPolicy(): Promise<void> {
    await this.page.getByRole('button', { name: 'Apply…' }).click();
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Apply policy' }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** True if something reaches beyond the window's right edge. */
  isTooWide(): Promise<boolean> {
    return this.page.evaluate(() => document.querySelector('#content')!.scrollWidth > window.innerWidth);
  }

  async close(): Promise<void> {
    await this.page.close();
  }
}
