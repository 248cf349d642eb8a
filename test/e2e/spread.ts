import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SmallDatacenter, eventually, startSmallDatacenter } from './small-datacenter.js';

/** What `npm start` shows: VMs that all run on one host spread by live migration, and no guest notices. */
export const spread = (title: string, redisUrl?: () => Promise<string>) =>
  describe(title, () => {
    let small: SmallDatacenter;

    beforeAll(async () => {
      small = await startSmallDatacenter({ hosts: 3, redisUrl: await redisUrl?.() });
    });
    afterAll(() => small?.stop());

    test(
      'evenly_distributed spreads six VMs over three hosts, each move with its reason, no guest error',
      { timeout: 240_000 },
      async () => {
        const names = [1, 2, 3, 4, 5, 6].map((index) => `vm-${index}`);
        for (const vm of names) await small.createPager(vm, 'host-1');
        const { client } = small.datacenter;
        await client.clusters.update(small.cluster.id, {
          schedulingPolicy: { name: 'evenly_distributed', parameters: {} },
        });

        await eventually(async () => {
          for (const host of await small.hosts()) expect(host.vmCount, host.name).toBe(2);
          for (const vm of await small.vms()) expect(vm.status, vm.name).toBe('up');
        }, 90_000);

        const moves = await small.migrations();
        expect(moves.length).toBeGreaterThanOrEqual(4);
        for (const move of moves) {
          expect(move.status).toBe('completed');
          expect(move.reason).toMatch(/imbalance|utili/i);
          expect(move.planId).not.toBeNull();
          const { iterations, downtimeBreakdown } = await client.migrations.get(move.id);
          expect(iterations.length).toBeGreaterThan(0);
          expect(downtimeBreakdown).not.toBeNull();
        }
        for (const vm of names) await small.expectBeating(vm);
        for (const { isolation } of await small.hosts()) {
          const unexplained = isolation!.filter(({ inForce, reason }) => !inForce && reason === '');
          expect([isolation!.length, unexplained]).toEqual([5, []]);
        }
      },
    );
  });
