/** A VMM that gives up what it does not need: user, privileges, system calls. It still migrates. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { QmpClient } from '#qmp';
import { VmmProcess } from '../vmm/process.js';

const root = join(import.meta.dirname, '../..');
const PAGER = join(root, 'guests/pager.elf');
const SIZE = ['-m', '32M', '-smp', '2', '-sandbox', 'on'];
const EVENTUALLY = { timeout: 90_000, interval: 20 };
const isRoot = process.getuid?.() === 0;

/** Lines of /proc/PID/status that all threads of the process agree on. */
function statusOf({ pid }: VmmProcess): Record<string, string> {
  const threads = readdirSync(`/proc/${pid}/task`).map((task) => {
    const lines = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8').matchAll(/^(\w+):[\t ]*(.*)$/gm);
    return Object.fromEntries([...lines].map(([, name, value]) => [name!, value!]));
  });
  return Object.fromEntries(
    Object.entries(threads[0]!).filter(([name, value]) => threads.every((each) => each[name] === value)),
  );
}

/** Whether somebody without any rights can reach the file. */
function isForAll(file: string): boolean {
  if ((statSync(file).mode & 4) === 0) return false;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

const mayDrop = isRoot && isForAll(PAGER);
if (!mayDrop) console.warn('-run-with is not tried: it takes root, and a project that every user can read');

/** The translator's thread compiles, and the harts' threads take into use, what became hot under all these rules. */
const expectTranslated = (qmp: QmpClient) =>
  vi.waitFor(async () => {
    const { harts } = await qmp.execute<{ harts: { 'translated-regions': number }[] }>('x-drover-stats');
    expect(Math.max(...harts.map((hart) => hart['translated-regions']))).toBeGreaterThan(0);
  }, EVENTUALLY);

test('with -sandbox on no thread has privileges or system calls to gain any, and the guest migrates, translated', async () => {
  const asNobody = mayDrop ? ['-run-with', 'user=65534:65534'] : [];
  const guest = ['-kernel', PAGER, '-append', 'region=8 rate=2', ...asNobody];
  const source = new VmmProcess(undefined, [...SIZE, ...guest]);
  const destination = new VmmProcess(undefined, [...SIZE, '-incoming', 'tcp:127.0.0.1:0', ...asNobody]);
  await source.waitForPrinted('pager seq=1 ');
  const [from, to] = [await source.connect(), await destination.connect()];
  for (const vmm of [source, destination]) {
    expect(statusOf(vmm)).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
    if (mayDrop) {
      const ids = ['65534', '65534', '65534', '65534'].join('\t');
      expect(statusOf(vmm)).toMatchObject({ Uid: ids, Gid: ids, Groups: '', CapEff: '0000000000000000' });
    }
  }
  await expectTranslated(from);
  const listening = await vi.waitFor(async () => {
    const answer = await to.execute<{ 'socket-address'?: { port: string }[] }>('query-migrate');
    return answer['socket-address']![0]!;
  }, EVENTUALLY);
  await from.execute('migrate', { uri: `tcp:127.0.0.1:${listening.port}` });
  await destination.waitForPrinted('pager seq=');
  await expectTranslated(to);
  expect(statusOf(destination)).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
  expect(`${source.stderr}${destination.stderr}`).toBe('');
  expect(`${source.printed()}${destination.printed()}`).not.toContain('ERROR');
});

test.skipIf(!mayDrop)('a user who cannot read what a reset needs is refused at the start', async () => {
  const vmm = new VmmProcess(readFileSync(PAGER), ['-run-with', 'user=65534:65534']); // in a folder of ours alone
  expect(await vmm.ended).toBe(1);
  expect(vmm.stderr).toMatch(/-run-with user=65534:65534: this user cannot read .*kernel/);
});

test.skipIf(isRoot)('who is not root cannot become somebody else', async () => {
  const vmm = new VmmProcess(readFileSync(PAGER), ['-run-with', 'user=65534:65534']);
  expect(await vmm.ended).toBe(1);
  expect(vmm.stderr).toMatch(/only root may become another user/);
});
