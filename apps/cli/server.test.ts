/** `drover` against a real HTTP server that answers as the contracts say; as a process where that matters. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { EventView } from '#contracts';
import { id } from './test-answers.js';
import { now, seen, TOKEN } from './test-controller.js';
import { hosts, vm } from './test-sample.js';
import { begin, cwd, drover, end, posted, start, tidy, url } from './test-drover.js';

beforeAll(begin);
afterEach(tidy);
afterAll(end);

test('lists for people and for programs', async () => {
  const { code, stdout } = await drover('hosts');
  expect(code).toBe(0);
  const asProcess = start(['hosts']);
  expect([await asProcess.code, asProcess.said]).toEqual([0, { stdout, stderr: '' }]);
  expect(stdout.split('\n')[0]).toMatch(/^NAME +STATUS +CPU +MEMORY +VMS/);
  expect(stdout).toMatch(/^host-1 +up +25 % +50 % +3/m);
  expect(JSON.parse((await drover('hosts', '--json')).stdout)).toEqual(hosts);
  expect(JSON.parse((await drover('vms', 'list', '--host', 'host-1', '--status', 'up', '--json')).stdout)).toEqual([
    vm,
  ]);
  expect(seen.find((e) => e.url.pathname === '/api/v1/vms')?.url.search).toBe(`?hostId=${id(11)}&status=up`);
});

test('an object by name or by id; control characters do not reach the terminal', async () => {
  expect((await drover('hosts', 'show', 'host-1')).stdout).toEqual((await drover('hosts', 'show', id(11))).stdout);
  const { stdout } = await drover('vms', 'show', 'web-1');
  expect(stdout).toMatch(/^guest name +web$/m);
  expect(stdout).toMatch(/^addresses +10\.0\.0\.7, 2001:db8::7$/m);
  expect(stdout).toMatch(/^console +\[31mtwo$/m);
  expect(stdout).toMatch(/^disks +system \(2048 MiB on fast\)$/m);
  expect((await drover('storage')).stdout).toMatch(/^fast +local +disks +1 +2048$/m);
  expect(stdout).toMatch(/^networks +lan \(52:54:00:12:34:56\)$/m);
  const migration = (await drover('migrations', 'show', id(30))).stdout;
  expect(migration).toContain('runs on host-2');
  expect(migration).toMatch(/^ {2}xbzrle +512 pages as 0\.3 MiB of deltas; 9 were not in the cache$/m);
  expect(migration).toMatch(/^ {2}compression +256 pages \(1\.0 MiB\) as 0\.5 MiB$/m);
  expect(migration).toMatch(/^ {2}multifd +16\.0 MiB on connections for pages alone$/m);
});

test('actions send what the contracts ask for', async () => {
  expect(await drover('hosts', 'deactivate', 'host-1', '--reason', 'new disk')).toMatchObject({ code: 0 });
  expect(await drover('vms', 'migrate', 'web-1', '--host', 'host-2')).toMatchObject({
    code: 0,
    stdout: `migration ${id(30)}: web-1 from host-1 to host-2\n`,
  });
  expect(await drover('vms', 'create', 'a', '--image', 'pager', '--append', 'rate=2', '--no-start')).toMatchObject({
    code: 0,
  });
  expect(await drover('vms', 'create', 'b', '--image', 'pager', '--network', 'lan', 'dmz')).toMatchObject({ code: 0 });
  const disks = ['--disk', 'fast:1024:debian', '--disk', 'fast:16'];
  expect(await drover('vms', 'create', 'c', '--image', 'linux', ...disks)).toMatchObject({ code: 0 });
  expect(await drover('storage', 'create', 'fast', 'disks', '--kind', 'local')).toMatchObject({ code: 0 });
  expect(posted()).toEqual([
    { reason: 'new disk' },
    { destinationHostId: id(12) },
    expect.objectContaining({ name: 'a', clusterId: id(1), image: 'pager', append: 'rate=2', start: false }),
    expect.objectContaining({ name: 'b', nics: [{ network: 'lan' }, { network: 'dmz' }] }),
    expect.objectContaining({
      disks: [
        { storageDomainId: id(50), sizeMiB: 1024, sourceImage: 'debian' },
        { storageDomainId: id(50), sizeMiB: 16, sourceImage: null },
      ],
    }),
    { name: 'fast', clusterId: id(1), kind: 'local', path: 'disks' },
  ]);
});

test('policies: parameters that are not given keep their values', async () => {
  expect((await drover('policies')).stdout).toMatch(/^demo +evenly_distributed +gentle$/m);
  const { stdout } = await drover('policies', 'set', 'demo', 'evenly_distributed', 'ImbalanceThreshold=3');
  expect(stdout).toMatch(/^HighUtilization +70$/m);
  expect(stdout).toMatch(/^ImbalanceThreshold +3$/m);
  const migrationPolicies = await drover('policies', 'migration', 'set', 'gentle', '--bandwidth', 'unlimited');
  expect(migrationPolicies.stdout).toMatch(/^gentle +300 +unlimited +100 +600/m);
  expect(posted().at(-1)).toEqual({ bandwidthMiBps: null });
});

test('an affinity group is checked before it is made', async () => {
  const args = ['affinity', 'create', 'web', '--vms', 'apart', '--vm', 'web-1', '--check'];
  expect(await drover(...args)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('web-1 breaks it (hard): web-2 is on host-1, too'),
  });
  expect(posted().at(-1)).toMatchObject({ name: 'web', vmsRule: { enabled: true, positive: false, enforcing: true } });
});

test('an affinity group is changed in what is said; the rest stays', async () => {
  const { code, stdout } = await drover('affinity', 'update', 'db', '--soft', '--host-label', '--vm-label', 'db');
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^db +apart \(soft\)/m)]);
  const vmsRule = { enabled: true, positive: false, enforcing: false };
  expect(posted().at(-1)).toEqual({ vmsRule, vmLabels: ['db'], hostLabels: [] });
  await drover('affinity', 'update', 'db', '--vms', 'none', '--hosts', 'on', '--rename', 'data', '--check');
  expect(posted().at(-1)).toMatchObject({
    ...{ id: id(70), name: 'data', vmIds: [vm.id], hostLabels: ['ssd'], vmsRule: { enabled: false } },
    hostsRule: { enabled: true, positive: true, enforcing: true },
  });
  expect(await drover('affinity', 'update', 'db')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nothing to change'),
  });
});

test('plan shows moves and refusals with their reasons', async () => {
  const { stdout, code } = await drover('plan', 'demo');
  expect(code).toBe(0);
  expect(stdout).toMatch(/0 +web-1 +host-1 +host-2 +36 +- +host-1 is the fullest/);
  expect(stdout).toMatch(/web-2 +anywhere +moved a moment ago/);
});

test('plans that wait are listed, and approved in the name of whoever asks', async () => {
  expect((await drover('plans', '--status', 'waiting')).stdout).toMatch(/waiting +1 .* one move$/m);
  const { stdout, code } = await drover('plans', 'approve', id(41), '--move', '0', '--reason', 'quiet now');
  expect(code).toBe(0);
  expect(posted().at(-1)).toEqual({ moves: [0], reason: 'quiet now' });
  const { actor } = seen.at(-1)!;
  expect(stdout).toContain(`approved by ${actor ?? 'nobody'}`);
});

test('what-if asks with other policy, hosts and VMs, and shows placements, moves and what happens to hosts', async () => {
  const args = ['what-if', 'demo', '--policy', 'power_saving', '--without', 'host-1', '--add-vm', 'web:2:4096'];
  const { stdout, code } = await drover(...args);
  expect(code).toBe(0);
  expect(posted().at(-1)).toMatchObject({
    schedulingPolicy: { name: 'power_saving' },
    withoutHostIds: [id(11)],
    vms: [{ name: 'web', vcpus: 2, memoryMiB: 4096 }],
  });
  expect(stdout).toContain('power 300 W -> 210 W');
  expect(stdout).toMatch(/web +host-2 +most memory is free there/);
  expect(stdout).toMatch(/web-1 +host-1 +host-2 +host-1 is the fullest/);
  expect(stdout).toMatch(/host-1 +power_off +host-1 is empty/);
  expect(await drover('what-if', 'demo', '--add-vm', 'web')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('NAME:VCPUS:MIB'),
  });
});

test('events: the newest last, page after page up to the limit', async () => {
  const { stdout } = await drover('events', '--limit', '3');
  expect(stdout.match(/event \d/g)).toEqual(['event 3', 'event 4', 'event 5']);
});

test('events --follow goes on where the list ended', async () => {
  const { said } = start(['events', '--follow', '--json', '--limit', '2']);
  await vi.waitFor(() => expect(said.stdout.split('\n')).toHaveLength(5), 90_000);
  const ids = said.stdout
    .trim()
    .split('\n')
    .map((line) => EventView.parse(JSON.parse(line)).id);
  expect(ids).toEqual(['4', '5', '6', '7']);
  expect(seen.at(-1)?.lastEventId).toBe('5');
});

test('--watch shows it again; what changes something refuses it', async () => {
  const { said } = start(['vms', '--watch', '0.1']);
  await vi.waitFor(() => expect(said.stdout.match(/^web-1/gm)?.length).toBeGreaterThan(2), 90_000);
  expect(await drover('vms', 'migrate', 'web-1', '--watch')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('leave out --watch'),
  });
  expect(posted()).toEqual([]);
});

test('console from its beginning', async () => {
  expect(await drover('vms', 'console', 'web-1')).toMatchObject({ code: 0, stdout: 'one\ntwo\n' });
});

test('console --follow goes on across a move, and ends when the VM is down', async () => {
  const { said, code } = start(['vms', 'console', '-f', 'web-1']);
  await vi.waitFor(() => expect(said.stdout).toBe('one\ntwo\n'), 90_000);
  Object.assign(now, { vm: { status: 'migrating' }, console: undefined });
  const asked = seen.length;
  await vi.waitFor(() => expect(seen.length).toBeGreaterThan(asked + 4), 90_000);
  Object.assign(now, { vm: { status: 'up', epoch: 2 }, console: 'three\n' });
  await vi.waitFor(() => expect(said.stdout).toBe('one\ntwo\nthree\n'), 90_000);
  Object.assign(now, { vm: { status: 'down', epoch: 2 }, console: undefined });
  expect(await code).toBe(0);
  Object.assign(now, { vm: {}, console: 'one\ntwo\n' });
});

test('a reader that stops reading is no failure', async () => {
  const { child, said, code } = start(['vms', '--watch', '0.1']);
  child.stdout.destroy();
  expect(await code).toBe(0);
  expect(said.stderr).toBe('');
});

test('exit codes: refused 1, usage 2, not found 3, not let in 4, no controller 5', async () => {
  expect(await drover('hosts', 'activate', 'host-2')).toMatchObject({ code: 1, stderr: 'drover: host-2 is up\n' });
  expect(await drover('vms', 'list', '--status', 'sideways')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Allowed choices are down'),
  });
  expect(await drover('events', '--limit', 'all')).toMatchObject({ code: 2 });
  expect(await drover('vms', 'show', 'web-9')).toMatchObject({ code: 3, stderr: 'drover: there is no VM web-9\n' });
  expect(await drover('vms', 'show', id(99))).toMatchObject({ code: 3 });
  expect(await drover('migrations', 'show', '..')).toMatchObject({ code: 3 });
  const stranger = start(['hosts'], { DROVER_URL: url, DROVER_TOKEN: 'wrong' });
  expect(await stranger.code).toBe(4);
  expect(stranger.said.stderr).toContain('--token-file');
  const nobody = start(['hosts'], { DROVER_URL: 'http://127.0.0.1:2', DROVER_TOKEN: TOKEN });
  expect(await nobody.code).toBe(5);
});

test('address and token: from .drover, from the environment, from options', async () => {
  mkdirSync(join(cwd, '.drover'));
  writeFileSync(join(cwd, '.drover', 'url'), `${url}\n`);
  writeFileSync(join(cwd, '.drover', 'admin-token'), `${TOKEN}\n`);
  expect(await start(['hosts'], {}).code).toBe(0);
  expect(await start(['hosts'], { DROVER_TOKEN: 'wrong' }).code).toBe(4);
  const tokenFile = join(cwd, '.drover', 'admin-token');
  expect(await start(['hosts', '--token-file', tokenFile], { DROVER_TOKEN: 'wrong' }).code).toBe(0);
  expect(await start(['hosts', '--token-file', 'nowhere'], {}).code).toBe(2);
  expect(await start(['hosts', '--url', 'http://127.0.0.1:2'], {}).code).toBe(5);
});

test('power: a password comes from a file, wrong usage is found before the controller is asked', async () => {
  const file = join(cwd, 'bmc-password');
  writeFileSync(file, 'secret word\n');
  const set = ['hosts', 'power', 'set', 'host-1'];
  const { code, stdout } = await drover(
    ...[...set, 'fence_ipmilan', '--address', 'bmc-1', '--user', 'drover'],
    ...['--password-file', file, '--option', 'lanplus=1', 'cipher=17'],
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^management +fence_ipmilan at bmc-1 as drover$/m);
  expect(stdout).not.toContain('secret');
  expect(posted()).toEqual([
    {
      ...{ type: 'fence_agent', agent: 'fence_ipmilan', address: 'bmc-1', port: null, username: 'drover' },
      ...{ options: { lanplus: '1', cipher: '17' }, password: 'secret word' },
    },
  ]);
  expect((await drover('hosts', 'power', 'status', 'host-1')).stdout.trim()).toBe('off');
  expect((await drover(...set, 'magic')).code).toBe(2);
  expect((await drover(...set, 'wake-on-lan', '--mac', '1')).stderr).toContain('52:54:00:12:34:56');
  expect((await drover('hosts', 'power', 'test', 'host-1', '--reason', 'new BMC')).code).toBe(0);
  expect(posted().at(-1)).toEqual({ reason: 'new BMC', force: false });
});

test('energy by day and host, and in sum', async () => {
  const { stdout } = await drover('energy', '--from', '2026-01-01');
  expect(stdout).toMatch(/^2026-01-02 +host-1 +2\.000 +0\.500 +18\.0 +6\.0 +power curve$/m);
  expect(stdout.trim()).toMatch(/2026-01-01 to 2026-01-07: 2\.000 kWh used, 0\.500 kWh saved$/);
  expect(seen.at(-1)!.url.searchParams.get('from')).toBe('2026-01-01');
});
