import { describe, expect, test } from 'vitest';
import { NOW, cluster, evenly, limits, vm } from './cluster.fixture.js';
import { plan } from './index.js';

const MIB = 2 ** 20;
const heavy = { cpuUsedCores: 1, memoryMiB: 512, vcpus: 1 };
const busy = (more: object) => [
  vm('a', 'h1', { ...heavy, ...more }),
  vm('b', 'h1', { ...heavy, immovableReason: 'pinned' }),
];
const ask = (more: object, hosts: Parameters<typeof cluster>[0] = { h1: {}, h2: {} }) =>
  plan(cluster(hosts, busy(more)), evenly(), limits(2), NOW);

describe('disks that go with a VM', () => {
  test('are copied over the link, before its memory', () => {
    const [plain] = ask({}).moves;
    const [withDisks] = ask({ localDisks: [{ storageDomain: 'fast', path: 'disks', sizeMiB: 1120 }] }).moves;
    expect(withDisks!.cost.bytes - plain!.cost.bytes).toBe(1120 * MIB);
    expect(withDisks!.cost.durationMs - plain!.cost.durationMs).toBeCloseTo(10_000);
    expect(withDisks!.cost.pointSeconds).toBeGreaterThan(plain!.cost.pointSeconds);
  });

  test('keep it where it is if copying them costs more than the move brings', () => {
    const { moves, refusals } = ask({ localDisks: [{ storageDomain: 'fast', path: 'disks', sizeMiB: 1024 * 1024 }] });
    expect(moves).toEqual([]);
    expect(refusals.map(({ reason }) => reason)).toContainEqual(
      expect.stringMatching(/^moving a to h2 would cost [\d.]+ point-seconds and bring/),
    );
  });
});

describe('a migration that is not expected to end', () => {
  const whyEndless = 'no allowed means would end it';

  test('is begun by no policy, which says why', () => {
    const { moves, refusals } = ask({ whyEndless });
    expect(moves).toEqual([]);
    expect(refusals).toContainEqual({
      vmId: 'id-of-a',
      hostId: null,
      reason: expect.stringMatching(/^a writes so much that its migration is not expected to end \(no allowed means/),
    });
  });

  test('is tried for maintenance: the guest may write less by then', () => {
    const { moves } = ask({ whyEndless }, { h1: { status: 'preparing_for_maintenance' }, h2: {} });
    expect(moves).toMatchObject([{ vmId: 'id-of-a', kind: 'evacuation' }]);
  });
});
