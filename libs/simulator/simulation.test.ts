import { describe, expect, test } from 'vitest';
import { hostOf, nobody, vmOf } from './cluster.fixture.js';
import { metricsOf } from './metrics.js';
import type { Decision } from './decision.js';
import { type Director, Simulation } from './simulation.js';

const HOUR = { untilS: 3600, stepS: 300, decideEveryS: 300 };

/** Decides once, at the first look. */
const once = (decision: Partial<Decision>): Director => {
  let left: Partial<Decision> | null = decision;
  return {
    decide: () => {
      const now = left ?? {};
      left = null;
      return [{ moves: [], hostActions: [], ...now }];
    },
  };
};

describe('energy', () => {
  test('of a constant load is watts times time', () => {
    // One VM at 50 % of one of two cores: 25 % of the host, 125 W; the other host idles at 100 W. 0.225 kW for an hour.
    const hosts = [hostOf('a'), hostOf('b')];
    const simulation = new Simulation({ hosts, vms: [vmOf('vm', 50)], placement: new Map([['vm', 'a']]) });
    simulation.run(nobody, HOUR);
    expect(metricsOf(simulation).energyKWh).toBeCloseTo(0.225, 12);
  });

  test('of a load that rises along a straight line is that of its mean', () => {
    // 0 % to 100 % of one core within the hour: 100 W to 150 W, in the mean 125 W.
    const rising = { stepSeconds: 3600, percent: Float32Array.of(0, 100) };
    const simulation = new Simulation({
      hosts: [hostOf('a')],
      vms: [vmOf('vm', rising)],
      placement: new Map([['vm', 'a']]),
    });
    simulation.run(nobody, HOUR);
    expect(metricsOf(simulation).energyKWh).toBeCloseTo(0.125, 6);
  });

  test('a host that is off draws what it draws off, one that boots draws full power', () => {
    // Off from 300 s to 600 s: 300 s at 5 W; then 60 s of boot at 200 W; idle for the other 3,240 s.
    const host = hostOf('a', { offWatts: 5, bootSeconds: 60 });
    const simulation = new Simulation({ hosts: [host], vms: [], placement: new Map() });
    const actions = [['park', 'power_off'], ['power_on']] as const;
    let look = 0;
    simulation.run(
      {
        decide: () => [{ moves: [], hostActions: (actions[look++] ?? []).map((action) => ({ hostId: 'a', action })) }],
      },
      HOUR,
    );
    expect(metricsOf(simulation)).toMatchObject({ powerSwitches: 2, hostHours: 3300 / 3600 });
    expect(metricsOf(simulation).energyKWh * 3_600_000).toBeCloseTo(300 * 5 + 60 * 200 + 3240 * 100, 6);
    expect(simulation.host('a')).toMatchObject({ power: 'on', status: 'up' });
  });
});

describe('what VMs go without', () => {
  test('an overloaded host shares what it has', () => {
    // Three VMs at 100 % of a core on two cores: each gets two thirds, all the time; no migrations, so no PDM.
    const names = ['x', 'y', 'z'];
    const simulation = new Simulation({
      hosts: [hostOf('a')],
      vms: names.map((name) => vmOf(name, 100)),
      placement: new Map(names.map((name) => [name, 'a'])),
    });
    simulation.run(nobody, HOUR);
    const { slatah, pdm, slav, unservedShare } = metricsOf(simulation);
    expect(slatah).toBe(1);
    expect([pdm, slav]).toEqual([0, 0]);
    expect(unservedShare).toBeCloseTo(1 / 3, 12);
  });

  test('a VM cannot use more than its vCPUs on slower cores', () => {
    // It asks for 2,000 MIPS of a core that has 1,000: half is missing, though a core of the host is idle.
    const simulation = new Simulation({
      hosts: [hostOf('a')],
      vms: [vmOf('vm', 100, { mipsPerVcpu: 2000 })],
      placement: new Map([['vm', 'a']]),
    });
    simulation.run(nobody, HOUR);
    expect(metricsOf(simulation)).toMatchObject({ slatah: 1, unservedShare: 0.5 });
    expect(simulation.host('a').utilization).toBe(0.5);
  });

  test('a migration costs a tenth of the CPU while it lasts', () => {
    // 1,000 MiB over half of 1,000 Mbit/s: 16 s (8,000 / 500). A VM at 50 % asks for 500 MIPS x 3,600 s and lacks
    // 50 MIPS x 16 s: PDM 800 / 1,800,000. At the destination 450 of 500 MIPS are not served for 16 s of the 3,300 s + 16 s
    // in which the two hosts have load: the source 316 s, the destination 3,300 s.
    const simulation = new Simulation({
      hosts: [hostOf('a'), hostOf('b')],
      vms: [vmOf('vm', 50)],
      placement: new Map([['vm', 'a']]),
    });
    simulation.run(once({ moves: [{ vmId: 'vm', destinationHostId: 'b' }] }), HOUR);
    const metrics = metricsOf(simulation);
    expect(simulation.vm('vm').host.description.name).toBe('b');
    expect(metrics.migrations).toBe(1);
    expect(metrics.pdm).toBeCloseTo(800 / 1_800_000, 12);
    expect(metrics.slatah).toBeCloseTo(16 / (316 + 3300), 12);
    expect(metrics.slav).toBeCloseTo(metrics.pdm * metrics.slatah, 15);
    expect(metrics.esv).toBeCloseTo(metrics.energyKWh * metrics.slav, 15);
  });

  test('memory that a VM does not use is not copied', () => {
    const vm = vmOf('vm', 50, { memory: { stepSeconds: 1, percent: Float32Array.of(25) } });
    const simulation = new Simulation({
      hosts: [hostOf('a'), hostOf('b')],
      vms: [vm],
      placement: new Map([['vm', 'a']]),
    });
    simulation.run(once({ moves: [{ vmId: 'vm', destinationHostId: 'b' }] }), HOUR);
    expect(metricsOf(simulation).pdm).toBeCloseTo((50 * 4) / 1_800_000, 12); // 4 s
  });
});

describe('failures', () => {
  test('a host fails with its VMs, and both come back', () => {
    const simulation = new Simulation({
      hosts: [hostOf('a')],
      vms: [vmOf('vm', 50)],
      placement: new Map([['vm', 'a']]),
      failures: [{ hostId: 'a', atS: 600, forS: 900 }],
    });
    const seen: string[] = [];
    simulation.run(nobody, HOUR, () => seen.push(simulation.host('a').status));
    expect(seen.filter((status) => status === 'non_responsive')).toHaveLength(3);
    expect(metricsOf(simulation).unservedShare).toBeCloseTo(0.25, 12);
    expect(metricsOf(simulation).slatah).toBe(0); // a host that is off is not one under load
    expect(simulation.host('a').status).toBe('up');
  });

  test('a migration fails with its destination, and the VM stays', () => {
    const simulation = new Simulation({
      hosts: [hostOf('a'), hostOf('b')],
      vms: [vmOf('vm', 50)],
      placement: new Map([['vm', 'a']]),
      failures: [{ hostId: 'b', atS: 305, forS: 60 }],
    });
    simulation.run(once({ moves: [{ vmId: 'vm', destinationHostId: 'b' }] }), HOUR);
    expect(metricsOf(simulation)).toMatchObject({ migrations: 1, migrationsFailed: 1 });
    expect(simulation.vm('vm').host.description.name).toBe('a');
  });
});

test('a host with VMs is neither put into maintenance nor switched off', () => {
  const simulation = new Simulation({ hosts: [hostOf('a')], vms: [vmOf('vm', 50)], placement: new Map([['vm', 'a']]) });
  simulation.carryOut({
    moves: [],
    hostActions: [
      { hostId: 'a', action: 'park' },
      { hostId: 'a', action: 'power_off' },
    ],
  });
  expect(simulation.host('a')).toMatchObject({ status: 'up', power: 'on' });
});

test('what is not there is named', () => {
  expect(() => new Simulation({ hosts: [], vms: [vmOf('vm', 1)], placement: new Map([['vm', 'a']]) })).toThrow(
    'there is no host "a"',
  );
});
