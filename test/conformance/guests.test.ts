/** The same ELF files on Drover's VMM and on QEMU: same output, same exit status. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isInstalled } from '../programs.js';

const root = join(import.meta.dirname, '..', '..');
const drover = {
  name: 'drover-vmm',
  command: process.execPath,
  args: [join(root, 'dist/apps/vmm/main.js')],
  available: true,
};
const qemu = {
  name: 'qemu-system-riscv64',
  command: 'qemu-system-riscv64',
  args: ['-M', 'virt'],
  available: isInstalled('qemu-system-riscv64', 'guests on QEMU'),
};
/** Translates whatever is jumped to, and so executes little else. */
const translating = { ...drover, args: [...drover.args, '-accel', 'drover,x-translate-after=1'] };
const interpreting = { ...drover, args: [...drover.args, '-accel', 'drover,translate=off'] };
/** What two rounds of each kind of work come to, as QEMU computes it. */
const CHECKS = {
  mix: '31bb253b',
  sieve: 'b3b0',
  sort: '758e7',
  crc: 'acb08047',
  stream: 'a0000a',
  touch: '7fff8000',
  float: '4006baf238561e8f',
  system: '80300000800',
};
const HEARTBEAT = /^pager seq=(\d+) time_ms=(\d+) written_mib=(\d+) checked_pages=(\d+)$/;

interface Run {
  readonly guest: string;
  readonly append: string;
  readonly harts?: number;
  readonly ramMiB?: number;
  /** Ends the machine when this has been printed so often; else the guest ends by itself. */
  readonly until?: { readonly pattern: RegExp; readonly times: number };
}

/** Lines of the console and exit status; status null if it was ended from outside. */
function run(machine: typeof drover, { guest, append, harts = 1, ramMiB = 64, until }: Run) {
  const kernel = join(root, 'guests', `${guest}.elf`);
  const args = [
    ...machine.args,
    '-m',
    `${ramMiB}M`,
    '-smp',
    `${harts}`,
    '-kernel',
    kernel,
    '-append',
    append,
    '-nographic',
  ];
  const child = spawn(machine.command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const lines = () => text.split(/\r?\n/).filter((line) => line !== '');
  const completeLines = () => text.split(/\r?\n/).slice(0, -1);
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (until && completeLines().filter((line) => until.pattern.test(line)).length >= until.times)
      child.kill('SIGKILL');
  });
  return new Promise<{ lines: string[]; status: number | null }>((done, failed) => {
    child.once('error', failed);
    child.once('close', (status) => done({ lines: lines(), status }));
  });
}

async function expectChecks(machine: typeof drover, works = Object.keys(CHECKS)): Promise<void> {
  for (const work of works) {
    const { lines, status } = await run(machine, { guest: 'speed', append: `run=${work} rounds=2`, ramMiB: 320 });
    expect([work, /check=([0-9a-f]+)/.exec(lines.at(-1)!)?.[1], status]).toEqual([
      work,
      CHECKS[work as keyof typeof CHECKS],
      0,
    ]);
  }
}

describe.each([drover, qemu])('$name', (machine) => {
  const skip = !machine.available;
  // On a busy host, QEMU 7.2 with four harts ends at times before the guest has printed anything.
  const retry = machine === qemu ? 2 : 0;

  test('hello prints its line and ends with the status it was given', { skip }, async () => {
    const { lines, status } = await run(machine, { guest: 'hello', append: 'exit=7', harts: 2 });
    expect(lines.at(-1)).toMatch(/^hello from hart \d of 2, 64 MiB of RAM$/);
    expect(status).toBe(7);
    expect(await run(machine, { guest: 'hello', append: '' })).toMatchObject({ status: 0 });
  });

  test('pager counts on four harts, at the rate it was given, and finds nothing wrong', { skip, retry }, async () => {
    const { lines } = await run(machine, {
      guest: 'pager',
      append: 'region=16 rate=4 harts=4',
      harts: 4,
      until: { pattern: HEARTBEAT, times: 4 },
    });
    expect(lines.join('\n')).toContain('pager region=16 rate=4 change=25 compress=50 cpu=0 harts=4 pages=4096');
    expect(lines.join('\n')).not.toContain('ERROR');
    const beats = lines.flatMap((line) => [HEARTBEAT.exec(line)]).filter((beat) => beat !== null);
    expect(
      beats.slice(0, 4).map((beat) => Number(beat[1])),
      lines.join('\n'),
    ).toEqual([1, 2, 3, 4]);
    const [first, last] = [beats[0]!, beats[3]!].map((beat) => ({ ms: Number(beat[2]), mib: Number(beat[3]) }));
    expect(last!.mib - first!.mib).toBeGreaterThanOrEqual(Math.floor((4 * (last!.ms - first!.ms)) / 1000) - 2);
  });

  test.each(['lost', 'stale', 'torn', 'wrong'])(
    'pager finds a page that is %s, and ends with 1',
    { skip },
    async (kind) => {
      const { lines, status } = await run(machine, { guest: 'pager', append: `region=2 rate=2 selftest=${kind}` });
      expect(lines.at(-1)).toMatch(new RegExp(`^PAGER ERROR hart=\\d+ page=256 kind=${kind} `));
      expect(status).toBe(1);
    },
  );

  test('a hart that traps says so and ends with 3', { skip }, async () => {
    const { lines, status } = await run(machine, { guest: 'pager', append: 'region=1 selftest=trap' });
    expect(lines.at(-1)).toMatch(/^GUEST ERROR hart=0 kind=trap cause=2 pc=802[0-9a-f]{5} value=0 time_ms=\d+$/);
    expect(status).toBe(3);
  });

  test('speed computes the same in all its kinds of work, and on each of several harts', { skip }, async () => {
    await expectChecks(machine);
    const { lines } = await run(machine, { guest: 'speed', append: 'run=mix rounds=2 harts=4', harts: 4 });
    const results = lines.filter((line) => line.startsWith('speed run=mix')).map((line) => line.replace(/us=\d+ /, ''));
    expect(results.toSorted()).toEqual([0, 1, 2, 3].map((hart) => `speed run=mix hart=${hart} check=${CHECKS.mix}`));
  });

  test.each([
    ['ratte=5', 'there is no parameter ratte=5; use region= rate= change= compress= harts= cpu= beat= selftest='],
    ['region=400', 'region=400 needs more RAM than there is'],
    ['rate=fast', 'rate= takes a number from 0 to 100000 or max'],
    ['harts=3', 'harts= takes a number from 1 to 1'],
    ['selftest=x', 'selftest= takes lost, stale, torn, wrong or trap, not x'],
  ])('pager refuses %s with a line and 2', { skip }, async (append, message) => {
    const { lines, status } = await run(machine, { guest: 'pager', append });
    expect(lines.at(-1)).toContain(message);
    expect(status).toBe(2);
  });
});

test('speed computes the same when everything is translated and when nothing is', async () => {
  await expectChecks(translating, ['mix', 'float', 'system']);
  await expectChecks(interpreting, ['mix']);
});

test('pager finds nothing wrong on four harts that translate everything', async () => {
  const { lines } = await run(translating, {
    guest: 'pager',
    append: 'region=16 rate=max harts=4',
    harts: 4,
    until: { pattern: HEARTBEAT, times: 4 },
  });
  expect(lines.join('\n')).not.toContain('ERROR');
  expect(lines.filter((line) => HEARTBEAT.test(line)).length).toBeGreaterThanOrEqual(4);
});

// Drover's VMM has at most sixteen harts itself.
test('on QEMU, pager takes sixteen harts when there are more', { skip: !qemu.available }, async () => {
  const { lines } = await run(qemu, {
    guest: 'pager',
    append: 'region=1',
    harts: 17,
    until: { pattern: HEARTBEAT, times: 2 },
  });
  expect(lines.join('\n')).toContain('harts=16');
  expect(lines.join('\n')).not.toContain('ERROR');
});
