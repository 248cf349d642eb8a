import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstKeptByte, readConsole, readConsoleTail, runtimeFolderFor, trimConsole } from '#hypervisor';
import { PassLog } from '../../libs/hypervisor/qemu-passes.js';
import { isAlive, startTimeOf } from '../../libs/hypervisor/process-table.js';
import {
  incomingFigures,
  listeningPort,
  migrationParameters,
  outgoingFigures,
  qemuIncomingFigures,
} from '../../libs/hypervisor/query-migrate.js';

/** Of query-migrate. */
const ZERO = { total: 2 ** 23, transferred: 0, remaining: 0, mbps: 0, 'dirty-pages-rate': 256, 'page-size': 4096 };

let dir: string;
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'drover-hv-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('query-migrate', () => {
  const parts = { stopMs: 1, finalSyncMs: 2, finalPagesMs: 3, deviceStateMs: 4, loadMs: 5, resumeMs: 6 };
  const answer = {
    status: 'completed',
    'total-time': 900,
    downtime: 21,
    'expected-downtime': 30,
    ram: {
      total: 2 ** 26,
      transferred: 2 ** 24,
      remaining: 0,
      mbps: 800,
      'dirty-pages-rate': 512,
      'dirty-sync-count': 3,
      'page-size': 4096,
      'multifd-bytes': 5000,
    },
    'xbzrle-cache': { 'cache-size': 2 ** 20, pages: 30, bytes: 1000, 'cache-miss': 4 },
    compression: { pages: 20, busy: 0, 'compressed-size': 3000 },
    'x-drover': {
      migrationId: 'm-1',
      confirmed: true,
      iterations: [],
      error: null,
      downtimeBreakdown: { ...parts, destination: { loadMs: 1, resumeMs: 1 } } as typeof parts,
    },
  };

  test('of a migration that leaves', () =>
    expect(outgoingFigures(answer)).toEqual({
      migrationId: 'm-1',
      status: 'completed',
      isConfirmed: true,
      totalBytes: 2 ** 26,
      transferredBytes: 2 ** 24,
      remainingBytes: 0,
      bandwidthMiBps: 1e8 / 2 ** 20, // 800 million bits are 100 million bytes
      dirtyRateMiBps: 2,
      iteration: 3,
      savedPages: 0,
      xbzrle: { pages: 30, bytes: 1000, misses: 4 },
      compression: { pages: 20, bytes: 3000 },
      multifdBytes: 5000,
      expectedDowntimeMs: 30,
      iterations: [],
      downtimeMs: 21,
      totalMs: 900,
      downtimeParts: parts,
      compressedShare: null,
      deltaShare: null,
      error: null,
    }));

  test('of a VM that has not been asked to leave, whether or not it came by a migration', () => {
    expect(outgoingFigures({})).toBeNull();
    const arrived = { status: 'completed', 'x-drover-incoming': { status: 'running', error: null } };
    expect(outgoingFigures(arrived)).toBeNull();
  });

  test('of one that failed, with or without our own words', () => {
    expect(outgoingFigures({ status: 'failed', 'error-desc': 'no route' })?.error).toEqual({
      code: 'failed',
      message: 'no route',
    });
    const error = { code: 'connect', message: 'refused' };
    const own = { ...answer['x-drover'], confirmed: null, downtimeBreakdown: null, error };
    expect(outgoingFigures({ status: 'failed', 'x-drover': own })?.error).toEqual(error);
  });

  test('of a VM that arrives', () => {
    const at = (status: string, own: string, message?: string) =>
      incomingFigures(
        { isRunning: status === 'running', status },
        { 'x-drover-incoming': { status: own, error: message ? { message } : null } },
      );
    expect(at('inmigrate', 'waiting').status).toBe('waiting');
    expect(at('inmigrate', 'active').status).toBe('waiting');
    expect(at('inmigrate', 'loaded').status).toBe('loaded');
    expect(at('inmigrate', 'failed', 'torn')).toMatchObject({ status: 'failed', message: 'torn' });
    expect(at('running', 'running')).toMatchObject({ status: 'running', isComplete: true });
    expect(at('running', 'postcopy_paused')).toMatchObject({ status: 'running', isComplete: false });
    expect(at('paused', 'running').status).toBe('running');
  });

  test('of a VM that arrives on QEMU, which is paused until it is told to go on', () => {
    const at = (status: string, migration: string) =>
      qemuIncomingFigures({ isRunning: status === 'running', status }, { status: migration }).status;
    expect(at('inmigrate', 'setup')).toBe('waiting');
    expect(at('inmigrate', 'active')).toBe('waiting');
    expect(at('inmigrate', 'failed')).toBe('failed');
    expect(at('paused', 'completed')).toBe('loaded');
    expect(at('running', 'completed')).toBe('running');
    expect(at('shutdown', 'completed')).toBe('running');
  });

  test('where it waits', () => {
    expect(listeningPort({ 'socket-address': [{ type: 'inet', port: '4444' }] })).toBe(4444);
    expect(() => listeningPort({ status: 'setup' })).toThrow('at which port');
  });

  test("limits, in QEMU's units", () => {
    expect(migrationParameters({ bandwidthMiBps: 1.5, downtimeLimitMs: 300 })).toEqual({
      'max-bandwidth': 1_572_864,
      'max-postcopy-bandwidth': 1_572_864,
      'downtime-limit': 300,
    });
    expect(migrationParameters({ bandwidthMiBps: null })).toEqual({ 'max-bandwidth': 0, 'max-postcopy-bandwidth': 0 });
    expect(migrationParameters({})).toEqual({});
  });
});

test('passes over the dirty log, from the sums that QEMU tells', () => {
  const at = (count: number, normal: number, duplicate: number, remaining: number) => ({
    status: 'active',
    'expected-downtime': 300,
    ram: { ...ZERO, 'dirty-sync-count': count, normal, duplicate, remaining, transferred: normal * 4096 },
  });
  const log = new PassLog();
  expect(log.note({}, 0)).toEqual([]);
  expect(log.note(at(1, 0, 0, 2 ** 22), 0)).toEqual([]);
  expect(log.note(at(1, 256, 100, 2 ** 21), 500)).toEqual([]);
  const first = {
    iteration: 1,
    pages: 712,
    zeroPages: 200,
    bytes: 2 ** 21,
    durationMs: 1000,
    bandwidthMiBps: 2,
    dirtyRateMiBps: 1,
    remainingBytes: 2 ** 20,
    expectedDowntimeMs: 300,
  };
  expect(log.note(at(2, 512, 200, 2 ** 20), 1000)).toEqual([first]);
  expect(log.note(at(4, 768, 200, 0), 1500)).toEqual([first, expect.objectContaining({ iteration: 2, pages: 256 })]);
});

describe('console', () => {
  test('read in pieces of any size gives the whole text, and never half a character', async () => {
    const file = join(dir, 'console.log');
    const texts = fc.array(fc.constantFrom('a', 'ä', '€', '😀', '\n')).map((characters) => characters.join(''));
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 4, max: 64 }), async (text, piece) => {
        writeFileSync(file, text);
        let read = '';
        for (let offset = 0; ;) {
          const output = await readConsole(file, offset, piece);
          expect(output.offset).toBe(offset);
          if (output.text === '') break;
          read += output.text;
          offset = output.next;
        }
        expect(read).toBe(text);
      }),
      { numRuns: 50 },
    );
  });

  test('of which an end is asked for that has not come yet', async () => {
    const file = join(dir, 'short.log');
    writeFileSync(file, 'abc');
    expect(await readConsole(file, 100, 10)).toEqual({ offset: 3, next: 3, text: '' });
  });

  test('output that is old gives its room back, and offsets stay', async () => {
    const file = join(dir, 'long.log');
    const piece = 2 ** 20;
    const output = Buffer.alloc(5.5 * piece, 'a line of a guest that prints a lot\n');
    writeFileSync(file, output);
    await trimConsole(file, piece);
    expect(statSync(file).size).toBe(output.length);
    expect(statSync(file).blocks * 512).toBeLessThanOrEqual(2 * piece);
    expect(
      readFileSync(file)
        .subarray(4 * piece)
        .equals(output.subarray(4 * piece)),
    ).toBe(true);
    await trimConsole(file, piece); // finds nothing to do
    expect(await readConsoleTail(file, 100)).toMatch(/^a line of a guest/);
  });

  test('what is kept of output follows from its size: the last one or two pieces', () => {
    fc.assert(
      fc.property(fc.nat(), (size) => {
        const first = firstKeptByte(size, 1000);
        expect(first % 1000).toBe(0);
        expect(size - first).toBeLessThan(2000);
        expect(first === 0 || size - first >= 1000).toBe(true);
      }),
    );
  });

  test('reading from before what is kept begins with what is kept', async () => {
    const file = join(dir, 'sparse.log');
    writeFileSync(file, '');
    truncateSync(file, 20 * 2 ** 20);
    expect(await readConsole(file, 5, 10)).toMatchObject({ offset: 8 * 2 ** 20, next: 8 * 2 ** 20 + 10 });
  });

  test('tail begins with a whole line', async () => {
    const file = join(dir, 'tail.log');
    writeFileSync(file, 'first line\nsecond line\nthird');
    expect(await readConsoleTail(file, 100)).toBe('first line\nsecond line\nthird');
    expect(await readConsoleTail(file, 10)).toBe('third');
  });
});

describe('folder for sockets', () => {
  test('is below a short folder, elsewhere for a long one, and the same each time', () => {
    expect(runtimeFolderFor(dir, 'vm/qmp.sock')).toBe(join(dir, 'run'));
    const long = join(dir, 'x'.repeat(90));
    const other = runtimeFolderFor(long, 'vm/qmp.sock');
    expect(Buffer.byteLength(join(other, 'vm/qmp.sock'))).toBeLessThanOrEqual(107);
    expect(runtimeFolderFor(long, 'vm/qmp.sock')).toBe(other);
    expect(statSync(other).mode & 0o777).toBe(0o700);
    rmSync(other, { recursive: true });
  });

  test('that others may enter, or a name that no folder makes short enough, is refused', () => {
    const open = join(dir, 'open');
    mkdirSync(join(open, 'run'), { recursive: true });
    chmodSync(join(open, 'run'), 0o755);
    expect(() => runtimeFolderFor(open, 'q')).toThrow('not a folder that is yours alone');
    expect(() => runtimeFolderFor(dir, 'y'.repeat(110))).toThrow('more than 107');
  });
});

describe('processes', () => {
  test('are told from later ones of the same id, and the dead from the living', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid!;
    const startTime = startTimeOf(pid)!;
    expect(isAlive({ pid, startTime })).toBe(true);
    expect(isAlive({ pid, startTime: '1' })).toBe(false);
    child.kill();
    await new Promise((done) => child.once('exit', done));
    expect(isAlive({ pid, startTime })).toBe(false);
  });
});
