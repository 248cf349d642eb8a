import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Heartbeat, type MigrationReport } from '#contracts';
import type { OutgoingFigures, VmEnd } from '#hypervisor';
import { ConfigError, readConfig } from '../../apps/agent/config.js';
import { assembleHeartbeat } from '../../apps/agent/heartbeat/assemble.js';
import {
  coresBetween,
  parseCpuTimes,
  parsePressure,
  parseProcessStat,
  residentMiB,
  stolenBetween,
} from '../../apps/agent/host/proc.js';
import { sourceMigration, withFigures } from '../../apps/agent/migration/report.js';
import { isSameSecret, ticketFor } from '../../apps/agent/migration/ticket.js';
import { JsonStore } from '../../apps/agent/state/json-store.js';
import { Locks } from '../../apps/agent/vms/locks.js';
import { describeEnd, NO_FIGURES, reportVm } from '../../apps/agent/vms/report.js';
import type { VmRecord } from '../../apps/agent/vms/vm-record.js';

const VM_ID = '00000000-0000-4000-8000-000000000002';
const MIGRATION_ID = '00000000-0000-4000-8000-000000000001';

describe('/proc', () => {
  // Captured from a process whose name contains spaces and parentheses.
  const stat =
    '4242 (a (b) c) S 1 4242 4242 0 -1 4194560 9021 0 3 0 250 50 0 0 20 0 11 0 133700 1234567168 25600 ' +
    '18446744073709551615 1 1 0 0 0 0 0 4096 134234626 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0';

  test('stat of a process with a difficult name', () => {
    const parsed = parseProcessStat(stat);
    expect(parsed).toEqual({ cpuTicks: 300, startTime: '133700', residentPages: 25600 });
    expect(residentMiB(parsed)).toBe(100);
  });

  test('what is no stat is refused', () => expect(() => parseProcessStat('nothing')).toThrow('not a /proc/PID/stat'));

  test('cores in use', () => {
    const before = { cpuTicks: 300, atMs: 1000 };
    expect(coresBetween(before, { cpuTicks: 450, atMs: 2000 })).toBe(1.5);
    expect(coresBetween(undefined, before)).toBe(0);
    expect(coresBetween(before, before)).toBe(0);
  });

  test('pressure', () => {
    const text =
      'some avg10=12.34 avg60=5.00 avg300=1.00 total=123456\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=99\n';
    expect(parsePressure(text)).toBe(12.34);
    expect(() => parsePressure('')).toThrow('not a pressure file');
  });

  test('steal: what a hypervisor below took of the time of all CPUs, guest times counted once', () => {
    const before = parseCpuTimes('cpu  100 0 50 800 0 0 0 50 70 0\ncpu0 50 0 25 400 0 0 0 25 35 0\n');
    const now = parseCpuTimes('cpu  130 0 50 850 0 0 0 70 90 0\n');
    expect(before).toEqual({ totalTicks: 1000, stolenTicks: 50 });
    expect(stolenBetween(before, now)).toBe(20);
    expect(stolenBetween(now, now)).toBe(0);
    expect(() => parseCpuTimes('')).toThrow('not a /proc/stat');
  });
});

describe('tickets', () => {
  const passage = { migrationId: MIGRATION_ID, vmId: VM_ID, epoch: 5 };
  test('are what contracts say', () => {
    const expected = createHmac('sha256', 'token').update(`${MIGRATION_ID}:${VM_ID}:5`).digest('base64url');
    expect(ticketFor('token', passage)).toBe(expected);
  });
  test('are good for one epoch alone', () =>
    expect(ticketFor('token', passage)).not.toBe(ticketFor('token', { ...passage, epoch: 6 })));
  test('secrets are compared whole', () => {
    expect(isSameSecret('abc', 'abc')).toBe(true);
    expect(isSameSecret('abc', 'abcd')).toBe(false);
    expect(isSameSecret('', 'x')).toBe(false);
  });
});

describe('how the end of a process is told', () => {
  const end: VmEnd = { exitCode: null, signal: null, byGuest: false, lastLogLine: 'drover-vmm: no memory' };
  test.each([
    ['the guest ended by itself', { ...end, exitCode: 3, byGuest: true }, null, 'down', 3, 'status 3'],
    ['asked to, the guest ended by itself', { ...end, exitCode: 0, byGuest: true }, 'asked', 'down', 0, 'status 0'],
    ['ended by order', { ...end, exitCode: 0 }, 'stopped by order', 'down', null, 'stopped by order'],
    ['killed by order', { ...end, signal: 'SIGKILL' }, 'stopped by order', 'down', null, 'stopped by order'],
    ['killed', { ...end, signal: 'SIGKILL' }, null, 'failed', null, 'killed by SIGKILL'],
    ['crashed', { ...end, exitCode: 1 }, null, 'failed', null, 'status 1: drover-vmm: no memory'],
    ['nobody saw it', end, null, 'failed', null, 'nobody saw how: drover-vmm: no memory'],
  ] as const)('%s', (_, how, asked, status, exitCode, message) => {
    const report = describeEnd(how, asked);
    expect(report).toMatchObject({ status, exitCode });
    expect(report.message).toContain(message);
  });
});

const record: VmRecord = {
  vmId: VM_ID,
  epoch: 3,
  spec: { name: 'web-1', vcpus: 1, memoryMiB: 64, image: 'pager', append: '', nics: [], disks: [] },
  makeDisks: false,
  phase: 'running',
  goneAt: null,
  process: null,
  incoming: null,
  leaving: null,
  end: null,
};

describe('heartbeat', () => {
  const figures = { ...NO_FIGURES, cpuUsedCores: 0.5, memoryUsedMiB: 120, consoleTail: 'x'.repeat(5000) };

  test('says what each VM does', () => {
    const statusOf = (change: Partial<VmRecord>, status = 'running') =>
      reportVm({ ...record, ...change }, { ...figures, runState: { isRunning: status === 'running', status } })?.status;
    expect(statusOf({})).toBe('up');
    expect(statusOf({}, 'paused')).toBe('paused');
    expect(statusOf({ leaving: MIGRATION_ID })).toBe('migrating');
    expect(statusOf({ phase: 'incoming' }, 'inmigrate')).toBe('incoming');
    const loaded = { ...figures, isLoaded: true };
    expect(reportVm({ ...record, phase: 'incoming' }, loaded)?.status).toBe('loaded');
    expect(statusOf({ phase: 'starting' }, 'prelaunch')).toBe('starting');
    expect(statusOf({ phase: 'ended', end: { status: 'failed', exitCode: null, message: 'm' } })).toBe('failed');
    expect(statusOf({ phase: 'gone' })).toBeUndefined();
  });

  test('is put together as contracts want it', () => {
    const host = {
      agentUrl: 'http://127.0.0.1:7420',
      agentVersion: '0.1.0',
      tunnelAddress: '127.0.0.1:7430',
      cpuCores: 2,
      memoryMiB: 1024,
      promisedMiB: 128,
      pressure: null,
      linkMiBps: 112,
      isolation: [{ measure: 'limits', inForce: true, reason: '' }] as const,
      drivers: [{ hypervisor: 'qemu', architecture: 'x86_64', accelerator: 'kvm', version: '7.2.22' }] as const,
      health: null,
      commands: [],
      hostDevices: ['fast0'],
      probes: [],
      peersDigest: null,
      storage: [{ path: 'disks', fileSystem: '7', freeMiB: 100 }],
    };
    const vms = [reportVm(record, figures), reportVm({ ...record, phase: 'gone' }, figures), reportVm(record, figures)];
    const heartbeat = assembleHeartbeat(new Date(0), host, vms, [], []);
    expect(Heartbeat.parse(heartbeat)).toEqual(heartbeat);
    expect(heartbeat).toMatchObject({ cpuUsedCores: 1, memoryUsedMiB: 128, vms: [{ status: 'up' }, { status: 'up' }] });
  });
});

describe('report of a migration', () => {
  const figures: OutgoingFigures = {
    migrationId: MIGRATION_ID,
    status: 'active',
    isConfirmed: null,
    totalBytes: 2 ** 26,
    transferredBytes: 2 ** 20,
    remainingBytes: 2 ** 25,
    savedPages: 5,
    xbzrle: { pages: 7, bytes: 1000, misses: 2 },
    compression: null,
    multifdBytes: 0,
    bandwidthMiBps: 100,
    dirtyRateMiBps: 2,
    iteration: 1,
    expectedDowntimeMs: null,
    iterations: [],
    downtimeMs: null,
    totalMs: 100,
    downtimeParts: null,
    compressedShare: null,
    deltaShare: null,
    error: null,
  };
  const report: MigrationReport = {
    migrationId: MIGRATION_ID,
    vmId: VM_ID,
    status: 'preparing',
    progress: null,
    iterations: [],
    downtimeMs: null,
    totalMs: null,
    downtimeBreakdown: null,
    decisions: [],
    facts: null,
    log: [],
    error: null,
  };

  test('follows the process', () =>
    expect(withFigures(report, figures)).toMatchObject({
      status: 'precopy',
      progress: { bandwidthMiBps: 100, savedPages: 5, xbzrle: { pages: 7, bytes: 1000, misses: 2 } },
    }));
  test('never goes back', () =>
    expect(withFigures({ ...report, status: 'switchover' }, figures).status).toBe('switchover'));
  test('does not take the end of an earlier migration for its own', () => {
    expect(sourceMigration({ ...figures, status: 'failed' }, 'another')).toEqual({ status: 'none' });
    expect(sourceMigration({ ...figures, status: 'completed' }, MIGRATION_ID)).toMatchObject({ isConfirmed: false });
  });
});

describe('settings', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-config-'));
  writeFileSync(join(dir, 'vmm.js'), '');
  const env = {
    DROVER_CONTROLLER_URL: 'http://127.0.0.1:7410/',
    DROVER_AGENT_DIR: dir,
    DROVER_IMAGES_DIR: dir,
    DROVER_VMM: join(dir, 'vmm.js'),
  };
  test('have defaults', () =>
    expect(readConfig(env, dir)).toMatchObject({
      controllerUrl: 'http://127.0.0.1:7410',
      bind: '127.0.0.1',
      port: 0,
      migrationBind: '127.0.0.1',
      stopVmsOnExit: false,
    }));
  test.each([
    [{ DROVER_CONTROLLER_URL: '' }, 'DROVER_CONTROLLER_URL is not set'],
    [{ DROVER_CONTROLLER_URL: 'ftp://x' }, 'DROVER_CONTROLLER_URL=ftp://x is not a URL'],
    [{ DROVER_AGENT_PORT: '70000' }, 'DROVER_AGENT_PORT=70000 is not a port'],
    [{ DROVER_CPU_CORES: '-1' }, 'DROVER_CPU_CORES=-1'],
    [{ DROVER_MEMORY_MIB: '1.5' }, 'DROVER_MEMORY_MIB=1.5'],
    [{ DROVER_HEARTBEAT_SECONDS: '0.01' }, 'DROVER_HEARTBEAT_SECONDS=0.01'],
    [{ DROVER_IMAGES_DIR: join(dir, 'none') }, 'DROVER_IMAGES_DIR: there is no folder'],
    [{ DROVER_AGENT_BIND: '0.0.0.0' }, 'set DROVER_AGENT_URL'],
    [{ DROVER_STOP_VMS_ON_EXIT: 'yes' }, 'neither 0 nor 1'],
    [{ DROVER_LOG_LEVEL: 'loud' }, 'DROVER_LOG_LEVEL=loud'],
  ])('that are wrong are refused: %o', (change, message) => {
    expect(() => readConfig({ ...env, ...change }, dir)).toThrow(ConfigError);
    expect(() => readConfig({ ...env, ...change }, dir)).toThrow(message);
  });
});

describe('records on disk', () => {
  test('outlive their store, are closed to others, and a damaged one is set aside', () => {
    const dir = mkdtempSync(join(tmpdir(), 'drover-store-'));
    const schema = z.object({ n: z.int() });
    const damaged: string[] = [];
    const open = () => JsonStore.open(dir, schema, (file) => damaged.push(file));
    const store = open();
    store.put('a', { n: 1 });
    store.put('a', { n: 2 });
    store.put('b', { n: 3 });
    store.remove('b');
    writeFileSync(join(dir, 'c.json'), '{"n":');
    expect(statSync(join(dir, 'a.json')).mode & 0o777).toBe(0o600);
    const again = open();
    expect(again.all()).toEqual([{ n: 2 }]);
    expect(damaged).toEqual([join(dir, 'c.json.damaged')]);
    expect(readdirSync(dir).toSorted()).toEqual(['a.json', 'c.json.damaged']);
  });
});

test('what is done to one VM is done in order, whatever fails', async () => {
  const locks = new Locks();
  const done: string[] = [];
  const failing = locks.run('a', async () => {
    await new Promise((next) => setTimeout(next, 20));
    done.push('a1');
    throw new Error('no');
  });
  const second = locks.run('a', async () => void done.push('a2'));
  await locks.run('b', async () => void done.push('b'));
  await expect(failing).rejects.toThrow('no');
  await second;
  expect(done).toEqual(['b', 'a1', 'a2']);
});
