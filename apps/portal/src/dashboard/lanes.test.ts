import { expect, test } from 'vitest';
import type { HostView } from '#contracts';
import { lanesOf } from './lanes.js';

const host = (name: string, cpuUsedCores: number, status: HostView['status'] = 'up') =>
  ({ id: name, name, status, cpuUsedCores, cpuCores: 4, memoryUsedMiB: 0, memoryMiB: 1024 }) as HostView;

test('what needs somebody comes first where there is no room for all hosts', () => {
  const hosts = [
    host('idle', 0),
    host('full', 4),
    host('lost', 0, 'non_responsive'),
    host('moves', 1),
    host('away', 0, 'maintenance'),
  ];
  const moving = [{ sourceHostId: 'elsewhere', destinationHostId: 'moves' }];
  const names = (most: number) => lanesOf(hosts, moving, most).map(({ name }) => name);
  expect(names(5)).toEqual(['idle', 'full', 'lost', 'moves', 'away']);
  expect(names(4)).toEqual(['lost', 'away', 'moves', 'full']);
});
