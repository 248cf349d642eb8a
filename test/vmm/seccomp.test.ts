/** What the filter decides, by running it as the kernel does; and that the kernel takes it. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seccompFilter } from '../../apps/vmm/sandbox/seccomp-filter.js';
import { parseRunWith } from '../../apps/vmm/sandbox/run-with.js';

const ALLOWED = 0x7fff_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const X64 = 0xc000_003e;
const ARM64 = 0xc000_00b7;

/** Classic BPF, the four instructions that occur (Linux, Documentation/networking/filter.rst). */
function run(filter: Uint8Array, call: { arch: number; number: number; argument?: number }): number {
  const program = new DataView(filter.buffer);
  const data: Record<number, number> = { 0: call.number, 4: call.arch, 16: call.argument ?? 0 };
  let accumulator = 0;
  for (let at = 0; ; at += 8) {
    const value = program.getUint32(at + 4, true);
    const jump = (holds: boolean) => (at += 8 * program.getUint8(at + (holds ? 2 : 3)));
    const code = program.getUint16(at, true);
    if (code === 0x20) accumulator = data[value]!;
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >>> 0 >= value);
    else if (code === 0x45) jump((accumulator & value) !== 0);
    else if (code === 0x06) return value;
    else throw new Error(`instruction 0x${code.toString(16)}`);
  }
}

describe.each([
  { name: 'x64', arch: X64, read: 0, execve: 59, ptrace: 101, clone: 56, other: ARM64 },
  { name: 'arm64', arch: ARM64, read: 63, execve: 221, ptrace: 117, clone: 220, other: X64 },
] as const)('on $name', ({ name, arch, read, execve, ptrace, clone, other }) => {
  const filter = seccompFilter(name);
  const decide = (number: number, argument = 0) => run(filter, { arch, number, argument });

  test('what a VMM does is allowed, and what starts programs or looks into others is not', () => {
    expect([decide(read), decide(execve), decide(ptrace)]).toEqual([ALLOWED, EPERM, EPERM]);
  });

  test('threads may be started, processes not', () => {
    expect([decide(clone, 0x3d_0f00), decide(clone, 17), decide(435)]).toEqual([ALLOWED, EPERM, ENOSYS]);
  });

  test('calls of another table are none of ours', () => {
    expect(run(filter, { arch: other, number: read })).toBe(EPERM);
    expect(decide(0x4000_0000 + read)).toBe(EPERM);
  });
});

test('in the sandbox no program can be started and no user become; threads, files and sockets work', () => {
  const sandbox = join(import.meta.dirname, '../../dist/apps/vmm/sandbox/sandbox.js');
  const script = `
    import { spawnSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import { createServer } from 'node:net';
    import { Worker } from 'node:worker_threads';
    const enter = await (await import(${JSON.stringify(sandbox)})).prepareSandbox();
    enter();
    const attempt = (action) => { try { return action() ?? 'done'; } catch (error) { return error.code; } };
    const worker = new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true, execArgv: [] });
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve));
    const status = readFileSync('/proc/thread-self/status', 'utf8');
    process.stdout.write(JSON.stringify({
      spawn: spawnSync('true').error?.code,
      user: attempt(() => process.setgid(process.getgid())),
      noNewPrivileges: /NoNewPrivs:\\s*1/.test(status),
      seccomp: /Seccomp:\\s*2/.test(status),
    }));
    process.exit(0);`;
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(JSON.parse(told)).toEqual({ spawn: 'EPERM', user: 'EPERM', noNewPrivileges: true, seccomp: true });
});

test('-run-with takes a name or numbers', () => {
  const passwd = 'root:x:0:0::/root:/bin/sh\nguest:x:1001:1002::/:/bin/false\n';
  expect(parseRunWith('user=guest', passwd)).toEqual({ text: 'guest', uid: 1001, gid: 1002 });
  expect(parseRunWith('user=7:8', passwd)).toEqual({ text: '7:8', uid: 7, gid: 8 });
  expect(() => parseRunWith('user=gues', passwd)).toThrow(/there is no such user/);
});
