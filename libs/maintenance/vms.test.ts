import type { MaintenanceVm } from '#contracts';
import { expect, test } from 'vitest';
import { followVms, newVm, type VmMoves, type VmRow } from './index.js';

const row = (more: Partial<VmRow> = {}): VmRow => ({
  ...{ id: 'x', name: 'x', memoryMiB: 64, status: 'up', statusReason: '', hostId: 'a' },
  ...more,
});
const vm = (more: Partial<MaintenanceVm> = {}): MaintenanceVm => ({ ...newVm(row()), ...more });
const moves = (more: Partial<VmMoves>) => new Map([['x', { failed: 0, lastError: '', byPeople: false, ...more }]]);
const follow = (
  known: MaintenanceVm,
  now: VmRow | null,
  phase: 'evacuating' | 'returning' = 'evacuating',
  of = moves({}),
) => {
  const [found] = followVms([known], phase, 'a', now ? [now] : [], of);
  return (
    found && `${found.state}${found.hostId ? ` on ${found.hostId}` : ''}${found.reason ? `: ${found.reason}` : ''}`
  );
};

test.each([
  ['waits for its turn', vm(), row(), 'here'],
  ['is on its way', vm(), row({ status: 'migrating' }), 'leaving'],
  ['has arrived', vm({ state: 'leaving' }), row({ hostId: 'b' }), 'left on b'],
  ['has ended', vm(), row({ status: 'down', hostId: null }), 'left: it does not run any more'],
  ['was deleted', vm(), null, 'left: it does not run any more'],
  ['was stopped for it, and is down', vm({ state: 'stopped' }), row({ status: 'down', hostId: null }), 'stopped'],
  [
    'was stopped for it, and started elsewhere',
    vm({ state: 'stopped' }),
    row({ hostId: 'b' }),
    'stayed on b: it was started elsewhere',
  ],
])('a VM that %s', (_, known, now, expected) => expect(follow(known, now)).toBe(expected));

test.each([
  ['has come back', vm({ state: 'coming_back', hostId: 'b' }), row(), 'returned on a'],
  [
    'is on its way back',
    vm({ state: 'coming_back', hostId: 'b' }),
    row({ status: 'migrating', hostId: 'b' }),
    'coming_back on b',
  ],
  ['did not arrive', vm({ state: 'coming_back', hostId: 'b' }), row({ hostId: 'b' }), 'left on b'],
  [
    'does not start',
    vm({ state: 'coming_back' }),
    row({ status: 'down', hostId: null, statusReason: 'no memory' }),
    'stayed: no memory',
  ],
  // Whoever has started it may have ended before it could say so.
  [
    'was stopped, and starts',
    vm({ state: 'stopped' }),
    row({ status: 'starting' }),
    'coming_back: it is started again',
  ],
  ['was stopped, and is not started yet', vm({ state: 'stopped' }), row({ status: 'down', hostId: null }), 'stopped'],
  ['is still being stopped', vm({ state: 'stopped' }), row({ status: 'stopping' }), 'stopped'],
  ['was brought back by somebody', vm({ state: 'left', hostId: 'b' }), row(), 'returned on a'],
])('on the way back a VM that %s', (_, known, now, expected) => expect(follow(known, now, 'returning')).toBe(expected));

test('failed migrations are counted with the last reason; people who move a VM are not overruled', () => {
  const failed = moves({ failed: 2, lastError: 'the link broke' });
  expect(followVms([vm()], 'evacuating', 'a', [row()], failed)).toMatchObject([
    { attempts: 2, reason: 'the link broke' },
  ]);
  const byPeople = moves({ byPeople: true });
  expect(follow(vm({ state: 'left', hostId: 'b' }), row({ hostId: 'c' }), 'returning', byPeople)).toBe(
    'stayed on b: a person has moved it',
  );
});

test('a VM that arrives while its host is being emptied has to leave, too', () => {
  const rows = [row(), row({ id: 'y', name: 'y' }), row({ id: 'z', name: 'z', hostId: 'b' })];
  expect(followVms([vm()], 'evacuating', 'a', rows, new Map()).map(({ vmId }) => vmId)).toEqual(['x', 'y']);
  expect(followVms([vm()], 'checking', 'a', rows, new Map())).toHaveLength(1);
});
