import { expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { placeVm, plan } from './index.js';

const pressed = { cpuSomePercent: 60, memorySomePercent: 0, ioSomePercent: 0, stealPercent: 0 };

test('a host that VMs wait for is relieved first, though another one is used more', () => {
  const facts = cluster({ h1: { pressure: pressed }, h2: {}, h3: {} }, [
    ...['a', 'b', 'c', 'd'].map((name) => vm(name, 'h1')),
    ...['p', 'q', 'r', 's', 't'].map((name) => vm(name, 'h2')),
  ]);
  const made = plan(facts, evenly(), limits(1), NOW);
  expect(made.moves.map(({ vmId, destinationHostId }) => `${vmId.slice(6)}>${destinationHostId}`)[0]).toBe('a>h3');
  expect(made.moves[0]!.reason).toMatch(/^VMs on h1 wait for it 60 % of the time; /);
});

test('nothing is sent to a host that VMs wait for, by policies or at a start', () => {
  const facts = cluster({ h1: {}, h2: { pressure: { ...pressed, cpuSomePercent: 0, stealPercent: 50 } }, h3: {} }, [
    ...['a', 'b', 'c', 'd'].map((name) => vm(name, 'h1')),
    vm('x', 'h3'),
  ]);
  expect(new Set(plan(facts, evenly(), limits(4), NOW).moves.map((move) => move.destinationHostId))).toEqual(
    new Set(['h3']),
  );
  const small = { id: 'new', name: 'new', labels: [], vcpus: 1, memoryMiB: 128 };
  expect(placeVm(facts, small, evenly(), limits(2)).hostId).toBe('h3');
});

test('where VMs wait on all hosts alike, load decides', () => {
  const alike = { h1: { pressure: pressed }, h2: { pressure: { ...pressed, cpuSomePercent: 52 } } };
  const facts = cluster(
    alike,
    ['a', 'b', 'c', 'd'].map((name) => vm(name, 'h1')),
  );
  expect(plan(facts, evenly(), limits(2), NOW).moves).toHaveLength(2);
});
