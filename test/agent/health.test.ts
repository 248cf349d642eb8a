/** What an agent finds out about its host's health, on a host of files; and the commands that maintenance runs. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { judgeDisk } from '../../apps/agent/health/disks.js';
import { judgeCustom } from '../../apps/agent/health/health-d.js';
import { HealthWatch, lookAtHealth } from '../../apps/agent/health/health-watch.js';
import { createLog } from '../../apps/agent/log.js';
import { type CommandRecord, judgeCommand } from '../../apps/agent/maintenance/command-record.js';
import { Commands } from '../../apps/agent/maintenance/commands.js';

const dir = mkdtempSync(join(tmpdir(), 'drover-health-'));
afterAll(() => rmSync(dir, { recursive: true }));
const log = createLog('silent', () => undefined);

function put(file: string, content: string, mode = 0o644): string {
  const path = join(dir, file);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}
const script = (file: string, ...lines: string[]) => put(file, ['#!/bin/sh', ...lines, ''].join('\n'), 0o755);

const sources = {
  memoryErrors: join(dir, 'edac'),
  temperatures: join(dir, 'hwmon'),
  fileSystems: join(dir, 'ext4'),
  rebootRequired: join(dir, 'run', 'reboot-required'),
  smartctl: join(dir, 'bin', 'smartctl'),
  folder: join(dir, 'health.d'),
};
const states = async () =>
  (await lookAtHealth(sources)).map(({ kind, subject, state }) => `${kind} ${subject} ${state}`).toSorted();

describe('health', () => {
  test('a host of which nothing is known has only no restart that waits', async () => {
    expect(await states()).toEqual(['reboot_required  ok']);
  });

  test('is read from the kernel, smartctl and executables of one’s own', async () => {
    put('edac/mc0/ce_count', '3\n');
    put('edac/mc0/ue_count', '0\n');
    put('edac/mc1/ce_count', '0\n');
    put('edac/mc1/ue_count', '1\n');
    put('hwmon/hwmon0/name', 'coretemp\n');
    put('hwmon/hwmon0/temp1_input', '71000\n');
    put('hwmon/hwmon0/temp1_label', 'Package id 0\n');
    put('hwmon/hwmon0/temp1_max', '70000\n');
    put('hwmon/hwmon0/temp1_crit', '100000\n');
    put('hwmon/hwmon0/temp2_input', '40000\n');
    put('ext4/sda1/errors_count', '2\n');
    put('ext4/sdb1/errors_count', '0\n');
    mkdirSync(join(dir, 'ext4/features'));
    put('run/reboot-required', '*** System restart required ***\n');
    put('run/reboot-required.pkgs', 'linux-image-6.12\nlinux-image-6.12\n');
    const scan = '{"devices": [{"name": "/dev/sda", "type": "sat"}]}';
    const smart = '{"smart_status": {"passed": false}}';
    script('bin/smartctl', `case "$*" in *--scan*) echo '${scan}';; *) echo '${smart}'; exit 8;; esac`);
    script('health.d/fan', 'echo \'{"state": "ok", "reason": "1200 rpm", "value": 1200}\'');
    expect(await states()).toEqual([
      'custom fan ok',
      'disk /dev/sda failed',
      'file_system sda1 failed',
      'file_system sdb1 ok',
      'memory_correctable mc0 warning',
      'memory_correctable mc1 ok',
      'memory_uncorrectable mc0 ok',
      'memory_uncorrectable mc1 failed',
      'reboot_required  warning',
      'temperature coretemp Package id 0 warning',
      'temperature coretemp temp2 ok',
    ]);
    const found = await lookAtHealth(sources);
    expect(found.find(({ kind }) => kind === 'reboot_required')!.reason).toBe(
      'it is to be restarted because of linux-image-6.12',
    );
    expect(found[0]!.state).toBe('failed'); // the worst ones first
  });

  test.each([
    [{ smart_status: { passed: true } }, 'ok', 0],
    [
      { ata_smart_attributes: { table: [{ id: 197, name: 'Current_Pending_Sector', raw: { value: 8 } }] } },
      'warning',
      8,
    ],
    [{ nvme_smart_health_information_log: { critical_warning: 4, media_errors: 0, percentage_used: 3 } }, 'failed', 0],
    [
      { nvme_smart_health_information_log: { critical_warning: 0, media_errors: 0, percentage_used: 101 } },
      'warning',
      0,
    ],
  ])('a disk that says %j is %s', (answer, state, value) =>
    expect(judgeDisk('/dev/sda', answer)).toMatchObject({ state, value }),
  );

  test('a disk that says nothing of its health is left out', () => {
    expect(judgeDisk('/dev/sda', { smartctl: { exit_status: 2 } })).toBeNull();
    expect(judgeDisk('/dev/sda', null)).toBeNull();
  });

  test('an executable that says nothing that makes sense is a warning, with what to do', () => {
    expect(judgeCustom('fan', 'all is well', '')).toMatchObject({
      state: 'warning',
      reason: expect.stringContaining('print {'),
    });
    expect(judgeCustom('fan', '{"state": "good", "reason": ""}', '')).toMatchObject({ state: 'warning' });
    expect(judgeCustom('fan', '', 'spawn ENOENT')).toMatchObject({ state: 'warning', reason: 'fan: spawn ENOENT' });
  });

  test('an executable that others may write is not run', async () => {
    const path = script('health.d/open', `touch ${join(dir, 'was-run')}`);
    chmodSync(path, 0o777);
    const found = (await lookAtHealth(sources)).find(({ subject }) => subject === 'open');
    expect(found).toMatchObject({ state: 'warning', reason: expect.stringContaining('chmod go-w') });
    expect(() => readFileSync(join(dir, 'was-run'))).toThrow('ENOENT');
    rmSync(path);
  });

  test('a look that the controller asks for begins after it was asked, and is told once', async () => {
    const watch = new HealthWatch(sources, 3_600_000, log);
    watch.take(Date.now());
    const askedAt = Date.now();
    watch.ask();
    const health = await vi.waitFor(() => {
      const found = watch.take(Date.now());
      expect(found).not.toBeNull();
      return found!;
    }, 90_000);
    expect(Date.parse(health.at)).toBeGreaterThanOrEqual(askedAt);
    expect(watch.take(Date.now())).toBeNull();
  });
});

describe('a maintenance command', () => {
  const job = (name: string, ...args: string[]) => ({
    ...{ kind: 'command' as const, runId: randomUUID(), name, arguments: args, timeoutSeconds: 30, restarts: false },
  });
  let ended = 0;
  const programs = join(dir, 'maintenance.d');
  const open = () => Commands.open(join(dir, 'commands'), programs, () => ended++, log);
  const ends = (commands: Commands, runId: string) =>
    vi.waitFor(() => {
      const report = commands.reports().find((each) => each.runId === runId)!;
      expect(report.status).not.toBe('running');
      return report;
    }, 90_000);

  test('is run once for a run, however often it is ordered, and its end is told until it is known', async () => {
    script('maintenance.d/count', `echo "$@" >> ${join(dir, 'counted')}`, 'echo done');
    const commands = open();
    const order = job('count', 'a b', '$HOME');
    await Promise.all([commands.begin(order), commands.begin(order)]);
    expect(await ends(commands, order.runId)).toMatchObject({ status: 'succeeded', exitCode: 0, output: 'done' });
    expect(ended).toBe(1);
    commands.forget(order.runId);
    expect(commands.reports()).toEqual([]);
    await commands.begin(order);
    commands.close();
    const again = open();
    await again.begin(order);
    expect(readFileSync(join(dir, 'counted'), 'utf8')).toBe('a b $HOME\n');
    again.close();
  });

  test('fails with what it has written; one that is not there says what to do', async () => {
    script('maintenance.d/fails', 'echo "no space left" >&2', 'exit 3');
    const commands = open();
    const order = job('fails');
    await commands.begin(order);
    expect(await ends(commands, order.runId)).toMatchObject({ status: 'failed', exitCode: 3, output: 'no space left' });
    const missing = job('missing');
    await commands.begin(missing);
    expect(await ends(commands, missing.runId)).toMatchObject({
      status: 'failed',
      output: expect.stringContaining('put it there'),
    });
    commands.close();
  });

  test('outlives its agent, and its end is found by the next one', async () => {
    script('maintenance.d/slow', `while [ ! -e ${join(dir, 'go')} ]; do sleep 0.1; done`, 'echo went on');
    const first = open();
    const order = job('slow');
    await first.begin(order);
    first.close();
    const second = open();
    expect(second.reports().find(({ runId }) => runId === order.runId)!.status).toBe('running');
    put('go', '');
    expect(await ends(second, order.runId)).toMatchObject({ status: 'succeeded', output: 'went on' });
    second.close();
  });

  const record: CommandRecord = {
    ...{ runId: randomUUID(), name: 'x', arguments: [], timeoutSeconds: 10, restarts: false, beganMs: 0, bootId: 'b' },
    ...{ process: { pid: 1, startTime: '1' }, status: 'running', exitCode: null, output: '', isTold: false },
  };
  const gone = { isAlive: false, exitCode: null, isSameBoot: false, nowMs: 1000 };
  test.each([
    ['runs', record, { ...gone, isAlive: true, isSameBoot: true }, 'running'],
    ['runs for too long', record, { ...gone, isAlive: true, isSameBoot: true, nowMs: 10_001 }, 'too_long'],
    ['has ended well', record, { ...gone, exitCode: 0 }, 'succeeded'],
    ['has ended badly', record, { ...gone, exitCode: 1 }, 'failed'],
    ['was killed', record, { ...gone, isSameBoot: true }, 'failed'],
    ['was cut short by a restart', record, gone, 'failed'],
    ['was to restart the host, and has', { ...record, restarts: true }, gone, 'succeeded'],
  ])('that %s', (_, of, signs, status) => expect(judgeCommand(of, signs).status).toBe(status));
});
