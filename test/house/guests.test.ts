import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isInstalled } from '../programs.js';

const root = join(import.meta.dirname, '..', '..');
const hasTools =
  isInstalled('make', 'the rebuild of the guests') && isInstalled('riscv64-linux-gnu-gcc', 'the rebuild of the guests');

test.skipIf(!hasTools)('the committed guests are what their sources build to, where the compiler is the same', () => {
  const { status, stdout, stderr } = spawnSync('make', ['-C', 'guests', '--silent', 'check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^guests: (rebuilt, the same|skipped, the committed files were built by )/);
  expect(status).toBe(0);
});
