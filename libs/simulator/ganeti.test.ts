import { describe, expect, test } from 'vitest';
import { imbalance } from '#planner';
import { EvenlyDistributedParameters } from '#contracts';
import { factsOfGaneti, formatGaneti, parseGaneti, parseGanetiUtilization, planGaneti } from './ganeti.js';

const UUID = '0b4a0c0e-0000-4000-8000-000000000001';
const TEXT = `default|${UUID}|preferred||

node1|8192|512|3584|10000|10000|4|M|${UUID}|1||N|0|1|1.0
node2|8192|512|7680|10000|10000|4|N|${UUID}|1||N|0|1|1.0
node3|?|?|?|?|?|?|Y|${UUID}|1||N|0|1|1.0

web|2048|1024|2|running|Y|node1||sharedfile||1|-
mail|2048|1024|1|running|Y|node1||sharedfile||1|-
old|1024|1024|1|ADMIN_down|Y|node1||sharedfile||1|-

htools:iextags:service

|128,1,1024,1,1,1|128,1,1,1,1,1;32768,8,1048576,16,8,12|sharedfile|4.0|32.0
`;

test('what is read is written again as it was', () => {
  expect(formatGaneti(parseGaneti(TEXT))).toBe(TEXT);
});

test('memory of the node itself is not for instances; what is down takes nothing; offline nodes take nobody', () => {
  const cluster = parseGaneti(TEXT);
  const facts = factsOfGaneti(cluster, new Map([['web', 0.25]]));
  expect(
    facts.hosts.map(({ name, status, memoryMiB, cpuUsedCores }) => [name, status, memoryMiB, cpuUsedCores]),
  ).toEqual([
    ['node1', 'up', 7680, 2 * 0.25 + 0.5],
    ['node2', 'up', 7680, 0],
    ['node3', 'maintenance', 1, 0],
  ]);
  expect(facts.vms.map(({ name, status }) => [name, status])).toEqual([
    ['web', 'up'],
    ['mail', 'up'],
    ['old', 'down'],
  ]);
  expect(imbalance(facts)).toBeGreaterThan(0);
});

test('a plan moves one of the two; the cluster afterwards has the instance and the free memory where they are then', () => {
  const policy = { name: 'evenly_distributed', parameters: EvenlyDistributedParameters.parse({}) } as const;
  const { moves, imbalanceBefore, imbalanceAfter, after } = planGaneti(TEXT, '', policy);
  expect(moves).toMatchObject([{ vmId: 'web', sourceHostId: 'node1', destinationHostId: 'node2' }]);
  expect(imbalanceAfter).toBeLessThan(imbalanceBefore);
  expect(after).toContain('node1|8192|512|5632|');
  expect(after).toContain('node2|8192|512|5632|');
  expect(after).toContain('web|2048|1024|2|running|Y|node2|');
});

describe('errors name line and field', () => {
  test.each([
    [TEXT.replace('|2048|1024|2|running', '|much|1024|2|running'), 'line 7, memory: "much" is not a number'],
    [TEXT.replace('Y|node1||sharedfile', 'Y|node9||sharedfile'), 'line 7, primary node: there is no node "node9"'],
    [TEXT.replace('node2|8192|512', 'node2|8192|'), 'line 4, memory used by the node: "" is not a number'],
    ['a|b\n', 'sections for groups, nodes and instances are needed'],
    [TEXT.replace(/node2.*/, 'node2|1'), 'line 4: 2 fields of at least 8'],
  ])('%#', (text, message) => {
    expect(() => parseGaneti(text)).toThrow(message);
  });

  test('of utilisations', () => {
    expect([...parseGanetiUtilization('web 0.5 1 1 1\n\nmail 0 1 1 1\n')]).toEqual([
      ['web', 0.5],
      ['mail', 0],
    ]);
    expect(() => parseGanetiUtilization('web 2 1 1 1')).toThrow('line 1: "2" is not a CPU load from 0 to 1');
  });
});
