/** `drover maintenance …` and policies by time of day, against a real HTTP server. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { id } from './test-answers.js';
import { seen } from './test-controller.js';
import { begin, cwd, drover, end, posted, tidy } from './test-drover.js';

beforeAll(begin);
afterEach(tidy);
afterAll(end);

test('runs, reports, calendar and policies are shown', async () => {
  const texts: string[] = [];
  for (const words of ['', 'show host-1', 'report host-1', 'calendar', 'policies', 'policies show patch'])
    texts.push((await drover('maintenance', ...words.split(' ').filter(Boolean))).stdout);
  const [list, one, report, calendar, policies, policy] = texts;
  const { stdout: tried } = await drover('maintenance', 'policies', 'try', 'patch');
  const { stdout: history } = await drover('maintenance', 'policies', 'history', 'patch');
  expect(list).toMatch(/^host-1 +evacuating +1 +0\/1 +6 s +patch +restart required +its VMs leave$/m);
  expect(one).toMatch(/^eta +6 s$/m);
  expect(one).toMatch(/^web-1 +leaving +1 +wait +-$/m);
  expect(report).toMatch(/^1 of 1 VMs cannot leave host-1 as things are$/m);
  expect(report).toMatch(/^host-1 +web-1 +- +- +wait, stop +web-1 is pinned to host-1$/m);
  expect(calendar).toMatch(/^2026-01-03T01:00:00Z +2026-01-03T05:00:00Z +patch +host-1$/m);
  expect(policies).toMatch(/^patch +yes +2 +health \(reboot_required\) +0 2 \* \* 6 Europe\/Berlin, 240 min/m);
  expect(policy).toMatch(/^evacuationTimeoutMinutes +120$/m);
  expect(tried).toMatch(/^1 host is due now: host-1$/m);
  expect(history).toMatch(/^ *2 +2026-01-01T00:00:00Z +ada +.*"hostsAtOnce":2/m);
  expect(seen.filter(({ method }) => method !== 'GET').map(({ url }) => url.pathname.split('/').at(-1))).toEqual(
    expect.arrayContaining(['maintenance-report', 'dry-run']),
  );
});

test('begin says all that the API takes', async () => {
  const why = ['--reason', 'new kernel'];
  const { code, stdout } = await drover(
    ...['maintenance', 'begin', 'host-1', ...why, '--run', 'upgrade', '--argument', 'all', '--command-timeout', '60'],
    ...['--restarts', '--on-blocked', 'stop', '--max-attempts', '5', '--evacuation-timeout', '30', '--leave-vms'],
    ...['--choice', 'web-1=move_anyway', '--blocked-wait', '10', '--stop-rollout-on', 'never'],
  );
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^host-1 +evacuating/m)]);
  expect(posted()).toEqual([
    {
      ...{ clusterId: id(1), hostIds: [id(11)], hostLabels: [], reason: 'new kernel', hostsAtOnce: 1 },
      action: { kind: 'command', name: 'upgrade', arguments: ['all'], timeoutSeconds: 60, restarts: true },
      ...{ onBlocked: 'stop', maxAttempts: 5, evacuationTimeoutMinutes: 30, activate: true, returnVms: false },
      choices: [{ vmId: id(20), choice: 'move_anyway' }],
      ...{ blockedWaitMinutes: 10, stopRolloutOn: 'never' },
    },
  ]);
  await drover('maintenance', 'begin', '--label', 'rack-1', '--power-cycle', '--stay', ...why);
  expect(posted().at(-1)).toMatchObject({
    ...{ hostIds: [], hostLabels: ['rack-1'], action: { kind: 'power_cycle' }, activate: false },
  });
  const wrong = [];
  for (const words of [[], ['host-1', '--run', 'a', '--power-cycle'], ['host-1', '--restarts']])
    wrong.push(await drover('maintenance', 'begin', ...words, ...why));
  expect(wrong.map(({ code: status, stderr }) => [status, stderr.trim()])).toEqual([
    [2, 'drover: name hosts, or say --label, or --cluster for all of a cluster'],
    [2, 'drover: give --run or --power-cycle, not both'],
    [2, 'drover: --argument, --command-timeout and --restarts belong to a command: name it by --run'],
  ]);
});

test('a run is paused, resumed, cancelled, asked for; a VM of it is chosen for', async () => {
  expect((await drover('maintenance', 'pause', 'host-1')).stdout).toMatch(/^phase +paused$/m);
  expect((await drover('maintenance', 'resume', id(61))).stdout).toMatch(/^phase +evacuating$/m);
  expect((await drover('maintenance', 'cancel', 'host-1', '--leave-vms')).stdout).toMatch(/^phase +cancelled$/m);
  await drover('maintenance', 'choose', 'host-1', 'web-1', '--choice', 'stop');
  await drover('maintenance', 'request', 'host-1', '--source', 'patch server', '--reason', 'kernel 6.12');
  expect(posted()).toEqual([
    ...[{}, {}, { returnVms: false }, { choices: [{ vmId: id(20), choice: 'stop' }] }],
    { source: 'patch server', reason: 'kernel 6.12' },
  ]);
});

test('a policy comes from a file, which is checked; it is switched off and deleted', async () => {
  const file = join(cwd, 'policy.json');
  writeFileSync(file, JSON.stringify({ name: 'patch', triggers: [{ kind: 'request' }], quietMinutes: 5 }));
  expect((await drover('maintenance', 'policies', 'create', file)).code).toBe(0);
  expect(posted()).toEqual([expect.objectContaining({ clusterId: id(1), quietMinutes: 5, maxAttempts: 3 })]);
  writeFileSync(file, JSON.stringify({ maxAttempts: 0 }));
  const wrong = await drover('maintenance', 'policies', 'change', 'patch', file);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/maxAttempts/)]);
  expect((await drover('maintenance', 'policies', 'disable', 'patch')).code).toBe(0);
  expect(posted().at(-1)).toEqual({ enabled: false });
  expect((await drover('maintenance', 'policies', 'delete', 'patch')).stdout).toBe(
    'maintenance policy patch is deleted\n',
  );
  expect((await drover('maintenance', 'policies', 'show', 'nightly')).code).toBe(3);
});

test('policies by time of day, and what policies have been', async () => {
  const window = 'saturday,sunday 22:00-06:00 power_saving LowUtilization=30';
  const set = await drover('policies', 'schedule', 'demo', '--time-zone', 'Europe/Berlin', '--window', window);
  expect(set.stdout).toMatch(/^saturday, sunday +22:00 +06:00 +power_saving/m);
  expect(posted().at(-1)).toMatchObject({
    policySchedule: {
      timeZone: 'Europe/Berlin',
      windows: [{ days: ['saturday', 'sunday'], schedulingPolicy: { parameters: { LowUtilization: 30 } } }],
    },
  });
  expect((await drover('policies', 'schedule', 'demo')).stdout).toBe('no schedule: evenly_distributed at any time\n');
  expect((await drover('policies', 'schedule', 'demo', '--window', 'at night')).code).toBe(2);
  const { stdout } = await drover('policies', 'history', 'demo');
  expect(stdout).toMatch(/^ *2 +\d+ d +ada +planMode "manual"$/m);
  expect(stdout).toMatch(/^ *1 +\d+ d +administrator +the first that is known$/m);
});

test('how early a VM leaves a host that is emptied', async () => {
  expect((await drover('vms', 'set', 'web-1', '--priority', '100')).stdout).toMatch(/^priority +100$/m);
  expect(posted()).toEqual([{ priority: 100 }]);
  expect((await drover('vms', 'set', 'web-1')).stderr).toMatch(/nothing to set/);
  await drover('vms', 'create', 'b', '--image', 'pager', '--priority', '50');
  expect(posted().at(-1)).toMatchObject({ name: 'b', priority: 50 });
});

test('fencing of a cluster, and VMs that are started elsewhere then', async () => {
  const { stdout } = await drover('clusters', 'set', 'demo', '--fencing', 'on', '--fencing-grace', '30');
  expect(stdout).toMatch(
    /^fencing +after 30 s, unless more than 50 % of hosts are silent, 1 at once; a fenced host is switched on again$/m,
  );
  const fencing = { enabled: true, graceSeconds: 30, skipIfSilentPercent: 50, hostsAtOnce: 1, restart: true };
  expect(posted()).toEqual([{ fencing }]);
  await drover('clusters', 'set', 'demo', '--fencing-restart', 'off', '--fencing-at-once', '2');
  expect(posted().at(-1)).toMatchObject({ fencing: { restart: false, hostsAtOnce: 2 } });
  await drover('vms', 'set', 'web-1', '--high-availability', 'yes');
  expect(posted().at(-1)).toEqual({ highAvailability: true });
});
