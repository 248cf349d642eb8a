import { expect, test } from 'vitest';
import { checkTransition } from '../../apps/vmm/run-state.js';

test('a migration may fail and the VM goes on; once it has moved it never runs again', () => {
  for (const [from, to] of [
    ['running', 'finish-migrate'],
    ['finish-migrate', 'running'],
    ['finish-migrate', 'postmigrate'],
    ['inmigrate', 'running'],
  ] as const) {
    expect(() => checkTransition(from, to)).not.toThrow();
  }
  for (const to of ['running', 'paused', 'prelaunch', 'finish-migrate'] as const) {
    expect(() => checkTransition('postmigrate', to)).toThrow(`a VM that is postmigrate cannot become ${to}`);
    expect(() => checkTransition('shutdown', to)).toThrow(/shutdown/);
  }
});
