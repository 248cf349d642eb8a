import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const main = join(root, 'dist', 'apps', 'cli', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'drover-simulate-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function drover(...args: string[]) {
  return promisify(execFile)(process.execPath, [main, ...args], { cwd: folder }).then(
    (output) => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

test('drover simulate runs the example and writes the page', async () => {
  const scenario = join(root, 'docs', 'scenarios', 'office.yml');
  const { stdout, ...rest } = await drover('--json', 'simulate', scenario, '--report', 'office.html');
  expect(rest).toEqual({ code: 0, stderr: '' });
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ name: 'office', hosts: 8, vms: 56 });
  expect(result.metrics.hostHours).toBeLessThan(8 * 24); // it has switched hosts off at night
  expect(result.metrics.vmHours).toBeCloseTo(56 * 24, 6);
  expect(readFileSync(join(folder, 'office.html'), 'utf8')).toContain('<svg');
});

test('the same scenario gives the same answer; traces are found beside the scenario, compressed ones too; wrong ones are wrong usage', async () => {
  const scenario = (file: string) => `
policy: { name: none }
hours: 1
hosts: [{ name: h, cores: 1, memoryMiB: 1000, watts: [100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200] }]
vms: [{ name: vm, memoryMiB: 100, cpu: { csv: ${file} } }]`;
  writeFileSync(join(folder, 'traces.csv.gz'), gzipSync('vm\n50\n50\n'));
  writeFileSync(join(folder, 'bad.csv'), 'vm\nmuch\n');
  writeFileSync(join(folder, 'good.yml'), scenario('traces.csv.gz'));
  writeFileSync(join(folder, 'bad.yml'), scenario('bad.csv'));
  const good = await drover('simulate', 'good.yml');
  expect(good).toEqual(await drover('simulate', 'good.yml'));
  expect(good).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/energy +0\.15 kWh/),
  });
  expect(await drover('simulate', 'bad.yml')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('vms[0].cpu.csv: bad.csv: line 2, column vm: "much" is not a percentage'),
  });
});

test('drover ganeti plans for a cluster of hbal, and writes it as it would be', async () => {
  const group = '0b4a0c0e-0000-4000-8000-000000000001';
  const node = (name: string, free: number) => `${name}|8192|512|${free}|10000|10000|4|N|${group}|1||N|0|1|1.0`;
  const instance = (name: string, on: string) => `${name}|2048|0|1|running|Y|${on}||ext||1|-`;
  const cluster = (webOn: string, mailOn: string, free: [number, number]) =>
    [
      `default|${group}|preferred||\n`,
      `${node('node1', free[0])}\n${node('node2', free[1])}\n`,
      `${instance('web', webOn)}\n${instance('mail', mailOn)}\n`,
      '',
    ].join('\n');
  writeFileSync(join(folder, 'cluster.data'), cluster('node1', 'node1', [3584, 7680]));
  writeFileSync(join(folder, 'loads'), 'web 0.5 1 1 1\nmail 0.4 1 1 1\n');
  const { stdout, ...rest } = await drover('ganeti', 'cluster.data', '-U', 'loads', '-S', 'after.data');
  expect(rest).toEqual({ code: 0, stderr: '' });
  // On two equal nodes either of the two does as well.
  const [, moved] = /^ *1 +(web|mail) +node1 +node2 /m.exec(stdout)!;
  const [webOn, mailOn] = moved === 'web' ? ['node2', 'node1'] : ['node1', 'node2'];
  expect(readFileSync(join(folder, 'after.data'), 'utf8')).toBe(cluster(webOn!, mailOn!, [5632, 5632]));

  writeFileSync(join(folder, 'loads'), 'web much\n');
  expect(await drover('ganeti', 'cluster.data', '-U', 'loads')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('line 1: "much" is not a CPU load from 0 to 1'),
  });
});
