import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readLinkMiBps } from '../../apps/agent/host/link.js';

test('the fastest card with a link counts; one without, and what is no card, does not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-net-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const add = (name: string, speed: number, isCard: boolean) => {
    mkdirSync(join(folder, name, isCard ? 'device' : 'queues'), { recursive: true });
    writeFileSync(join(folder, name, 'speed'), `${speed}\n`);
  };
  expect(readLinkMiBps(folder)).toBeNull();
  add('lo', 10, false);
  add('br0', 100_000, false);
  add('eth1', -1, true);
  expect(readLinkMiBps(folder)).toBeNull();
  add('eth0', 1000, true);
  expect(readLinkMiBps(folder)).toBeCloseTo(112, 0);
  expect(readLinkMiBps(join(folder, 'nowhere'))).toBeNull();
});
