import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ApiError, ConnectionError } from '#client';
import { MigrationDecision, MigrationPrediction } from '#contracts';
import { exitCodeOf, NotFound, UsageError } from './failure.js';
import { candidatesTable, moveText } from './means.js';
import { ago, record, table } from './table.js';

const main = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'cli', 'main.js');
const cwd = mkdtempSync(join(tmpdir(), 'drover-cli-')); // no .drover there

/** Runs `drover`; exit code and output, whatever they are. */
async function drover(...args: string[]) {
  const env = { PATH: process.env.PATH, DROVER_URL: 'http://127.0.0.1:2' };
  const { stdout, stderr, code } = await promisify(execFile)(process.execPath, [main, ...args], { cwd, env }).then(
    (output) => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
  return { stdout, stderr, code };
}

test('--help names the commands and the exit codes', async () => {
  const { stdout, code } = await drover('--help');
  expect(code).toBe(0);
  for (const word of [
    'hosts',
    'guest',
    'vms',
    'migrations',
    'policies',
    'plan',
    'events',
    'Exit codes',
    '--json',
    '--watch',
  ])
    expect(stdout).toContain(word);
});

test('guest fetch without apt says what is missing and what can be done instead', async () => {
  const { PATH } = process.env;
  process.env.PATH = cwd; // no program is there
  const { stdout, stderr, code } = await drover('guest', 'fetch').finally(() => (process.env.PATH = PATH));
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
  expect(stderr).toMatch(/apt-get was not found|apt has no mirror|keys of the Debian archive/);
  expect(stderr).toContain('-kernel and an -initrd of your own');
  expect(existsSync(join(cwd, '.drover', 'images', 'linux'))).toBe(false);
});

test('wrong usage is 2 and says what is right', async () => {
  expect(await drover('hosts', 'deactivate', 'host-1')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--reason'),
  });
  expect(await drover('nonsense')).toMatchObject({ code: 2 });
  expect(await drover('vms', 'create', 'a', '--image', 'pager', '--memory', 'much')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('whole number'),
  });
  expect(await drover('--url', 'nowhere', 'hosts')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not a URL'),
  });
});

test('no controller is 5 and names the address', async () => {
  const { code, stderr } = await drover('hosts');
  expect(code).toBe(5);
  expect(stderr).toContain('http://127.0.0.1:2');
});

test('exit codes tell failures apart', () => {
  const codes = [
    new Error('x'),
    new UsageError('x'),
    new NotFound('x'),
    new ApiError(404, 'Not Found', '', []),
    new ApiError(401, 'Unauthorized', '', []),
    new ApiError(409, 'Conflict', '', []),
    new ConnectionError('x'),
  ].map(exitCodeOf);
  expect(codes).toEqual([1, 2, 3, 3, 4, 1, 5]);
});

test('tables align text left and numbers right, and show a dash for nothing', () => {
  const text = table(
    ['NAME', 'VMS', 'REASON'],
    [
      ['a', 5, ''],
      ['longer', 12, null],
    ],
  );
  expect(text.split('\n')).toEqual(['NAME    VMS  REASON', 'a         5  -', 'longer   12  -']);
  expect(record({ a: 1, name: null })).toBe('a     1\nname  -');
});

const decision = MigrationDecision.parse({
  ...{ number: 1, at: '2026-01-02T23:55:00Z', by: 'controller', means: 'throttle', value: 70, reason: 'r', pass: 1 },
  figures: {
    ...{ elapsedMs: 1, leftMs: 1, remainingBytes: 1, bandwidthMiBps: 1, dirtyRateMiBps: 1 },
    ...{ expectedTotalMs: null, expectedDowntimeMs: null },
    candidates: [
      { means: 'xbzrle', value: 64, totalMs: null, downtimeMs: null, lostMs: null, verdict: 'would not end it' },
      { means: 'throttle', value: 70, totalMs: 9000, downtimeMs: 120, lostMs: 6300, verdict: '' },
    ],
  },
});

test('a decision is told beside what else there was, with what the guest would lose', () => {
  expect(candidatesTable([decision]).split('\n')).toEqual([
    'DECISION  MEANS          ENDS IN  PAUSE   GUEST LOSES  VERDICT',
    '       1  xbzrle 64 MiB  never    -       -            would not end it',
    '       1  throttle 70 %  9000 ms  120 ms  6300 ms      chosen',
  ]);
});

test('what a move takes is told with its age', () => {
  const prediction = MigrationPrediction.parse({
    ...{ at: '2026-01-02T23:55:00Z', migrationPolicyId: '00000000-0000-4000-8000-000000000001', usedMiB: 64 },
    ...{ dirtyRateMiBps: 5, bandwidthMiBps: 100, bandwidthFrom: 'measured', totalMs: 850, downtimeMs: 12 },
    ...{ transferredMiB: 70, means: [{ means: 'throttle', value: 70 }], reason: 'r' },
  });
  const now = Date.parse('2026-01-03T00:00:00Z');
  expect(moveText(prediction, now)).toBe('850 ms with a pause of 12 ms, by throttle 70 % (measured 5 min ago)');
  expect(moveText({ ...prediction, totalMs: null, means: [] }, now)).toBe('would not end (measured 5 min ago)');
});

test('ages are rounded to what matters', () => {
  const now = Date.parse('2026-01-03T00:00:00Z');
  expect(
    [null, '2026-01-02T23:59:50Z', '2026-01-02T23:50:00Z', '2026-01-02T20:00:00Z', '2025-12-30T00:00:00Z'].map((t) =>
      ago(t, now),
    ),
  ).toEqual(['-', '10 s', '10 min', '4 h', '4 d']);
});
