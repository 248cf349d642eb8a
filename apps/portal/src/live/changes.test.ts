import { expect, test } from 'vitest';
import { type Change, changeOf, patch, RECENT } from './changes.js';

const vm = (id: string, status = 'up') => ({ id, status });
const change = (collection: Change['collection'], id: string, item: Change['item']): Change => ({
  collection,
  id,
  item,
});

test('views are replaced in place, new ones added, deleted ones dropped', () => {
  const items = [vm('a'), vm('b'), vm('c')];
  const changes = [
    change('vms', 'b', vm('b', 'down')),
    change('vms', 'a', null),
    change('vms', 'd', vm('d')),
    change('hosts', 'c', null),
  ];
  expect(patch('vms', items, changes)).toEqual([vm('b', 'down'), vm('c'), vm('d')]);
});

test('the last of several changes counts, also for what was new and is gone again', () => {
  const changes = [change('vms', 'x', vm('x')), change('vms', 'x', null), change('vms', 'a', vm('a', 'paused'))];
  expect(patch('vms', [vm('a')], changes)).toEqual([vm('a', 'paused')]);
});

test('events come newest first, each once, and only the newest are kept', () => {
  const items = Array.from({ length: RECENT }, (_, index) => ({ id: `old-${index}` }));
  const changes = ['1', '2', '2'].map((id) => change('events', id, { id }));
  const after = patch('events', items, changes);
  expect(after.slice(0, 3).map(({ id }) => id)).toEqual(['2', '1', 'old-0']);
  expect(after).toHaveLength(RECENT);
});

test('nothing changes: the same array, so that nothing is drawn again', () => {
  const items = [vm('a')];
  expect(patch('vms', items, [change('hosts', 'a', null)])).toBe(items);
});

test('a deleted message names its collection', () => {
  expect(changeOf({ kind: 'deleted', data: { resource: 'host', id: 'h' } })).toEqual({
    collection: 'hosts',
    id: 'h',
    item: null,
  });
});
