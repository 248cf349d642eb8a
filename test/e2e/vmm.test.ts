/** The VMM as a process: guests that print, wait, end, are held and go on; and callers who get it wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { QmpClient } from '#qmp';
import { counter, echo, printer, resetter, sleeper, supervisor, ticker, unwatched } from '../vmm/guests.js';
import { VmmProcess } from '../vmm/process.js';

const M_MODE = ['-m', '16M', '-bios', 'none'];

interface Stats {
  readonly harts: { readonly 'busy-ns': number }[];
  readonly 'dirtied-pages': number;
  readonly 'resident-bytes': number;
  readonly 'console-bytes': number;
  readonly 'guest-ns': number;
  readonly epoch: number;
}

const stats = (qmp: QmpClient) => qmp.execute<Stats>('x-drover-stats');

describe('a guest', () => {
  test('prints through the UART, and its finisher value is the exit status', async () => {
    const vmm = new VmmProcess(printer('hello\n', 0x3333 | (42 << 16)), M_MODE);
    expect(await vmm.ended).toBe(42);
    expect(vmm.printed()).toBe('hello\n');
  });

  test('that ends well makes the VMM end with 0', async () => {
    expect(await new VmmProcess(printer('x', 0x5555), M_MODE).ended).toBe(0);
  });

  test('that waits costs next to no CPU', async () => {
    const vmm = new VmmProcess(sleeper(), [...M_MODE, '-smp', '4']);
    await vmm.waitForPrinted('zzzz');
    // Half of one CPU, for four harts; seen: 0 to 2 %, once V8 has compiled what it wants to in the background.
    const costsLittle = async () => {
      const before = vmm.cpuTicks();
      await sleep(1000);
      expect(vmm.cpuTicks() - before).toBeLessThan(50);
    };
    await vi.waitFor(costsLittle, { timeout: 90_000 });
  });

  test('is woken by its timer', async () => {
    const vmm = new VmmProcess(ticker(), M_MODE);
    await vmm.waitForPrinted('.'.repeat(20));
    expect(vmm.printed()).toMatch(/^\.+$/);
  });

  test('in S-mode starts its other harts by HSM, sleeps by TIME, sends an IPI and shuts down by SRST', async () => {
    const vmm = new VmmProcess(supervisor(4), ['-m', '16M', '-smp', '4']);
    expect(await vmm.ended).toBe(0);
    expect(vmm.printed()).toBe('SE');
  });

  test('hears what a client of its serial socket types, by interrupt; a late client sees what was printed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-serial-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'serial');
    const vmm = new VmmProcess(echo(), [...M_MODE, '-serial', `unix:${path}`]);
    const qmp = await vmm.connect();
    await vi.waitFor(async () => expect((await stats(qmp))['console-bytes']).toBe(6), { timeout: 90_000 });
    const client = connect(path);
    onTestFinished(() => void client.destroy());
    let heard = '';
    client.setEncoding('latin1').on('data', (text) => (heard += String(text)));
    client.write('what the host types');
    await vi.waitFor(() => expect(heard).toBe('ready\nwhat the host types'), { timeout: 90_000 });
  });

  test('that resets itself starts anew, with RAM as it was', async () => {
    const vmm = new VmmProcess(resetter(), [...M_MODE, '-S']);
    const qmp = await vmm.connect();
    const reset = qmp.nextEvent('RESET');
    const shutdown = qmp.nextEvent('SHUTDOWN');
    await qmp.execute('cont');
    expect((await reset).data).toEqual({ guest: true, reason: 'guest-reset' });
    expect((await shutdown).data).toEqual({ guest: true, reason: 'guest-shutdown' });
    expect(await vmm.ended).toBe(0);
    expect(vmm.printed()).toBe('RR');
  });
});

describe('over QMP', () => {
  test('stop freezes the guest and its time, cont lets both go on without a jump', async () => {
    const vmm = new VmmProcess(ticker(), M_MODE);
    const qmp = await vmm.connect();
    await vmm.waitForPrinted('.');
    const stopped = qmp.nextEvent('STOP');
    await qmp.execute('stop');
    expect((await stopped).timestamp.seconds).toBeGreaterThan(1e9);
    expect(await qmp.execute('query-status')).toEqual({ status: 'paused', running: false });
    const bytes = async () => (await stats(qmp))['console-bytes'];
    await vi.waitFor(async () => expect(vmm.printed()).toHaveLength(await bytes()), { timeout: 90_000 });
    const [frozen, printed] = [await stats(qmp), vmm.printed().length];
    await sleep(300);
    expect((await stats(qmp))['guest-ns']).toBe(frozen['guest-ns']);
    expect(vmm.printed().length).toBe(printed);

    const resumed = qmp.nextEvent('RESUME');
    const contMs = performance.now();
    await qmp.execute('cont');
    const after = await stats(qmp);
    const elapsedNs = (performance.now() - contMs) * 1e6;
    await resumed;
    expect(after['guest-ns'] - frozen['guest-ns']).toBeLessThan(elapsedNs); // the pause is not in it
    await vi.waitFor(() => expect(vmm.printed().length).toBeGreaterThan(printed + 3), { timeout: 90_000 });
  });

  test('-S holds the guest before its first instruction', async () => {
    const vmm = new VmmProcess(printer('go', 0x5555), [...M_MODE, '-S', '-name', 'anna']);
    const qmp = await vmm.connect();
    expect(await qmp.execute('query-status')).toEqual({ status: 'prelaunch', running: false });
    expect(await qmp.execute('query-name')).toEqual({ name: 'anna' });
    expect((await stats(qmp))['guest-ns']).toBe(0);
    expect(vmm.printed()).toBe('');
    await qmp.execute('cont');
    expect(await vmm.ended).toBe(0);
  });

  test('figures tell a busy guest from an idle one', async () => {
    const vmm = new VmmProcess(counter(), [...M_MODE, '-smp', '2']);
    const qmp = await vmm.connect();
    const first = await stats(qmp);
    let asked = 0;
    await vi.waitFor(
      async () => {
        const now = await stats(qmp);
        asked++;
        for (const hart of [0, 1]) {
          expect(now.harts[hart]!['busy-ns']).toBeGreaterThan(first.harts[hart]!['busy-ns'] + 1e6);
        }
        expect(now['dirtied-pages']).toBeGreaterThan(first['dirtied-pages']);
        expect(now['dirtied-pages']).toBeLessThanOrEqual(first['dirtied-pages'] + asked); // it writes to one page
        expect(now['guest-ns']).toBeGreaterThan(first['guest-ns']);
      },
      { timeout: 90_000, interval: 50 },
    );
    const cpus = await qmp.execute<{ 'thread-id': number }[]>('query-cpus-fast');
    expect(cpus.map((cpu) => cpu['thread-id'])).toEqual([expect.any(Number), expect.any(Number)]);
    expect(cpus[0]!['thread-id']).not.toBe(cpus[1]!['thread-id']);
  });

  test('system_reset starts a running guest anew', async () => {
    const vmm = new VmmProcess(sleeper(), M_MODE);
    const qmp = await vmm.connect();
    await vmm.waitForPrinted('z');
    await qmp.execute('system_reset');
    await vmm.waitForPrinted('zz');
    expect(await qmp.execute('query-status')).toEqual({ status: 'running', running: true });
  });

  test('a VM whose kernel file is gone refuses system_reset and goes on', async () => {
    const vmm = new VmmProcess(ticker(), M_MODE);
    const qmp = await vmm.connect();
    rmSync(join(vmm.folder, 'kernel'));
    await expect(qmp.execute('system_reset')).rejects.toThrow(/-kernel .*: ENOENT/);
    expect(await qmp.execute('query-status')).toEqual({ status: 'running', running: true });
    const before = (await stats(qmp))['guest-ns'];
    await vi.waitFor(async () => expect((await stats(qmp))['guest-ns']).toBeGreaterThan(before), { timeout: 90_000 });
  });

  test('quit answers, says why, and ends the process', async () => {
    const vmm = new VmmProcess(counter(), M_MODE);
    const qmp = await vmm.connect();
    const shutdown = qmp.nextEvent('SHUTDOWN');
    expect(await qmp.execute('quit')).toEqual({});
    expect((await shutdown).data).toEqual({ guest: false, reason: 'host-qmp-quit' });
    expect(await vmm.ended).toBe(0);
  });

  test('garbage is answered with errors and harms neither the guest nor other clients', async () => {
    const vmm = new VmmProcess(ticker(), M_MODE);
    const qmp = await vmm.connect();
    const vandal = connect(vmm.qmp);
    onTestFinished(() => void vandal.destroy());
    let heard = '';
    vandal.setEncoding('utf8').on('data', (text) => (heard += String(text)));
    vandal.write('GET / HTTP/1.1\r\n\r\n\0\u00ff]]]}}\n{"execute": 7}\n[1]\n"text"\n{"execute":"stop"}\n');
    await vi.waitFor(() => expect(heard.match(/"error"/g)?.length ?? 0).toBeGreaterThanOrEqual(5), { timeout: 90_000 });
    vandal.write('{'.repeat(2_000_000));
    await vi.waitFor(() => expect(vandal.readyState).toBe('closed'), { timeout: 90_000 });
    expect(await qmp.execute('query-status')).toEqual({ status: 'running', running: true });
  });

  test('clients that stop and start at the same time leave a VM in one clear state', async () => {
    const vmm = new VmmProcess(ticker(), [...M_MODE, '-smp', '2']);
    const clients = await Promise.all([vmm.connect(), vmm.connect()]);
    for (let round = 0; round < 30; round++) {
      await Promise.all(clients.flatMap((qmp) => [qmp.execute('stop'), qmp.execute('cont')]));
    }
    expect(await clients[0]!.execute('query-status')).toEqual({ status: 'running', running: true });
    const printed = vmm.printed().length;
    await vi.waitFor(() => expect(vmm.printed().length).toBeGreaterThan(printed + 3), { timeout: 90_000 });
    expect(vmm.stderr).toBe('');
  });

  test('several clients at once each get their own answers', async () => {
    const vmm = new VmmProcess(sleeper(), M_MODE);
    const clients = await Promise.all([vmm.connect(), vmm.connect(), vmm.connect()]);
    const answers = await Promise.all(
      clients.flatMap((qmp) => [qmp.execute('query-status'), qmp.execute('query-uuid')]),
    );
    expect(answers).toHaveLength(6);
    await expect(clients[0]!.execute('no-such-thing')).rejects.toMatchObject({ errorClass: 'CommandNotFound' });
    await expect(clients[1]!.execute('stop', { now: true })).rejects.toThrow("'now'");
  });
});

describe('the process', () => {
  test('SIGTERM is a clean end', async () => {
    const vmm = new VmmProcess(counter(), M_MODE);
    const qmp = await vmm.connect();
    const shutdown = qmp.nextEvent('SHUTDOWN');
    vmm.kill('SIGTERM');
    expect((await shutdown).data).toEqual({ guest: false, reason: 'host-signal' });
    expect(await vmm.ended).toBe(0);
  });

  test.each([
    [['-m', '17G'], /-m 17G: .*1M to (3584|15872)M/],
    [['-smp', '17'], /-smp 17: .*16/],
    [['-bios', 'seabios'], /: -bios seabios: .*no such file/],
    [['-frobnicate'], /-frobnicate: unknown option/],
    [['-serial', 'unix:/nonexistent/socket'], /-serial: .*\/nonexistent\/socket/],
    [['-m', '1M'], /-kernel .*: .*RAM/],
  ])('%j is refused in one line that names the option', async (args, message) => {
    const vmm = new VmmProcess(new Uint8Array(2 ** 20), args);
    expect(await vmm.ended).toBe(1);
    expect(vmm.stderr).toMatch(message);
    expect(vmm.stderr.trim().split('\n')).toHaveLength(1);
  });

  test('a kernel that is not there is refused', async () => {
    const vmm = new VmmProcess(undefined, ['-kernel', '/no/such/kernel']);
    expect(await vmm.ended).toBe(1);
    expect(vmm.stderr).toMatch(/-kernel \/no\/such\/kernel: /);
  });
});

test('a watchdog that is not reloaded does what the owner has chosen', async () => {
  const vmm = new VmmProcess(unwatched(), [...M_MODE, '-S', '-watchdog-action', 'pause']);
  const qmp = await vmm.connect();
  const expired = (action: string) => expect(qmp.nextEvent('WATCHDOG')).resolves.toMatchObject({ data: { action } });
  const [paused, stop] = [expired('pause'), qmp.nextEvent('STOP')];
  await qmp.execute('cont');
  await Promise.all([paused, stop]);
  expect(await qmp.execute('query-status')).toMatchObject({ status: 'watchdog', running: false });

  await qmp.execute('watchdog-set-action', { action: 'reset' });
  const [reset, restart] = [expired('reset'), qmp.nextEvent('RESET', { timeoutMs: 90_000 })];
  await qmp.execute('system_reset');
  await restart;
  await qmp.execute('cont');
  expect((await qmp.nextEvent('RESET')).data).toEqual({ guest: true, reason: 'guest-reset' });
  await reset;

  const shutdown = qmp.nextEvent('SHUTDOWN');
  await qmp.execute('watchdog-set-action', { action: 'poweroff' });
  expect((await shutdown).data).toEqual({ guest: true, reason: 'guest-shutdown' });
  expect(await vmm.ended).toBe(0);
  expect(vmm.printed()).toMatch(/^W{3,}$/);
});
