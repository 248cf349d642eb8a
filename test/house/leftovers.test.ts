/** A run of the tests ends what it has started, also if it was cut short. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { endProcessesOf, processesOf } from '../../tools/leftovers.js';

test('processes that were there before are left alone', () => {
  const folder = readlinkSync(`/proc/${process.ppid}/cwd`);
  expect(processesOf(folder).map(({ pid }) => pid)).not.toContain(process.ppid);
});

test('processes that name a folder or work in it are found, and ended; others are left alone', async () => {
  const [folder, other] = ['drover-left-', 'drover-other-'].map((name) =>
    realpathSync(mkdtempSync(join(tmpdir(), name))),
  ) as [string, string];
  const forever = ['-e', 'setInterval(() => undefined, 1000)'];
  const children = [
    spawn(process.execPath, [...forever, join(folder, 'qmp')], { cwd: '/' }),
    spawn(process.execPath, forever, { cwd: folder }),
    spawn(process.execPath, [...forever, `${folder}2/qmp`], { cwd: other }),
  ];
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const path of [folder, other]) rmSync(path, { recursive: true });
  });
  await Promise.all(children.map((child) => once(child, 'spawn')));
  const ended = Promise.all(children.slice(0, 2).map((child) => once(child, 'exit')));
  const pids = children.map(({ pid }) => pid);
  expect(endProcessesOf(folder).map(({ pid }) => pid)).toEqual(expect.arrayContaining(pids.slice(0, 2)));
  await ended;
  expect(processesOf(folder)).toEqual([]);
  expect(children[2]!.exitCode).toBeNull();
});
