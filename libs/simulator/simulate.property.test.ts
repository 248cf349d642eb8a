import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { often } from '../../test/property-runs.js';
import { SchedulingPolicy } from '#contracts';
import { PRESETS } from '#convergence';
import { hostOf, STRAIGHT, vmOf } from './cluster.fixture.js';
import { Controller, type ControllerSettings } from './controller.js';
import { metricsOf } from './metrics.js';
import type { Decision } from './decision.js';
import { type Director, Simulation } from './simulation.js';
import { Watching } from './watching.fixture.js';

const HOURS = 3;
const TIMES = { untilS: HOURS * 3600, stepS: 300, decideEveryS: 300 };

const policies = fc.constantFrom('none', 'evenly_distributed', 'vm_evenly_distributed', 'power_saving');

interface Situation {
  readonly hosts: number;
  readonly loads: readonly (readonly number[])[];
  readonly policy: string;
}

const situations: fc.Arbitrary<Situation> = fc.record({
  hosts: fc.integer({ min: 1, max: 5 }),
  loads: fc.array(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 12 }), { maxLength: 10 }),
  policy: policies,
});

const settingsOf = (name: string): ControllerSettings => {
  const parameters =
    name === 'power_saving'
      ? { EnableAutomaticHostPowerManagement: true, MinimumOnMinutes: 0, MinimumOffMinutes: 0, LowUtilization: 60 }
      : {};
  return {
    policy: SchedulingPolicy.parse(name === 'none' ? { name } : { name, parameters }),
    maxMigrationsPerHost: 2,
    cooldownSeconds: 300,
    haReservation: 0,
    memoryOvercommit: 4,
  };
};

function simulationOf({ hosts, loads }: Situation): Simulation {
  const vms = loads.map((percent, index) =>
    vmOf(`vm-${index}`, { stepSeconds: 900, percent: Float32Array.from(percent) }),
  );
  return new Simulation({
    hosts: Array.from({ length: hosts }, (_, index) => hostOf(`host-${index}`, { bootSeconds: 60 })),
    vms,
    placement: new Map(vms.map(({ id }, index) => [id, `host-${index % hosts}`])),
  });
}

const runs = often(15);

test('energy lies between all hosts off and all hosts busy; without a policy above all hosts idle', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const simulation = simulationOf(situation);
      simulation.run(new Controller(settingsOf(situation.policy)), TIMES);
      const { energyKWh, hostHours } = metricsOf(simulation);
      const [idle, busy] = [STRAIGHT[0]!, STRAIGHT.at(-1)!];
      expect(energyKWh).toBeGreaterThanOrEqual((hostHours * idle) / 1000 - 1e-9);
      expect(energyKWh).toBeLessThanOrEqual((hostHours * busy) / 1000 + 1e-9);
      expect(hostHours).toBeLessThanOrEqual(situation.hosts * HOURS + 1e-9);
      if (situation.policy !== 'power_saving') expect(hostHours).toBeCloseTo(situation.hosts * HOURS, 9);
    }),
    runs,
  );
});

test('no VM is lost or doubled: each is on one host at every step, and VM-hours are VMs times hours', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const simulation = simulationOf(situation);
      simulation.run(new Controller(settingsOf(situation.policy)), TIMES, () => {
        for (const vm of simulation.vms) {
          const homes = simulation.hosts.filter((host) => host.vms.has(vm));
          expect(homes).toEqual([vm.host]);
          expect(vm.host.power).toBe('on');
        }
      });
      expect(metricsOf(simulation).vmHours).toBeCloseTo(situation.loads.length * HOURS, 6);
    }),
    runs,
  );
});

test('the same cluster gives the same run', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const [first, second] = [0, 1].map(() => {
        const simulation = simulationOf(situation);
        simulation.run(new Controller(settingsOf(situation.policy)), TIMES);
        return metricsOf(simulation);
      });
      expect(first).toEqual(second);
    }),
    runs,
  );
});

/** Starts a new controller for each turn, which knows what the last one has kept, and that through JSON. */
class Restarting implements Director {
  #kept: string | null = null;
  constructor(private readonly settings: ControllerSettings) {}

  decide(simulation: Simulation): Iterable<Decision> {
    return this.#remembering((controller) => controller.decide(simulation));
  }

  follow(simulation: Simulation): Iterable<Decision> {
    return this.#remembering((controller) => controller.follow(simulation));
  }

  *#remembering(work: (controller: Controller) => Iterable<Decision>): Generator<Decision> {
    const controller = new Controller(this.settings, this.#kept === null ? undefined : JSON.parse(this.#kept));
    for (const decision of work(controller)) {
      this.#kept = JSON.stringify(controller.memory);
      yield decision;
    }
  }
}

test('a controller that is restarted before every decision decides the same', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const directors = [new Controller(settingsOf(situation.policy)), new Restarting(settingsOf(situation.policy))];
      const [first, second] = directors.map((director) => {
        const simulation = simulationOf(situation);
        simulation.run(director, TIMES);
        return { metrics: metricsOf(simulation), homes: simulation.vms.map((vm) => vm.host.description.id) };
      });
      expect(second).toEqual(first);
    }),
    runs,
  );
});

describe('under any policy, with any loads that come to rest', () => {
  const COOLDOWN_S = 600;
  const RESTLESS_HOURS = 2;
  const scenarios = fc.record({
    hosts: fc.array(fc.record({ cores: fc.constantFrom(2, 4), memoryMiB: fc.constantFrom(4096, 8192) }), {
      minLength: 3,
      maxLength: 5,
    }),
    vms: fc.array(
      fc.record({
        loads: fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 8 }),
        memoryMiB: fc.constantFrom(256, 512, 1024),
        dirtyMiBps: fc.constantFrom(0, 5, 200),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    policy: policies,
    haReservation: fc.integer({ min: 1, max: 2 }),
    failing: fc.option(fc.nat({ max: 2 }), { freq: 3 }),
  });

  test('no host is overfull, as many as are reserved for may fail, no VM moves within its rest, and at last nothing is left to do', () => {
    fc.assert(
      fc.property(scenarios, ({ hosts, vms, policy, haReservation, failing }) => {
        const descriptions = vms.map(({ loads, ...vm }, index) =>
          vmOf(`vm-${index}`, { stepSeconds: 900, percent: Float32Array.from(loads) }, vm),
        );
        // One after the other onto the host with most memory left: whichever host fails, the others have room.
        const free = hosts.map(({ memoryMiB }): number => memoryMiB);
        const placement = new Map(
          descriptions.map(({ id, memoryMiB }) => {
            const roomiest = free.indexOf(Math.max(...free));
            free[roomiest]! -= memoryMiB;
            return [id, `host-${roomiest}`];
          }),
        );
        const simulation = new Simulation({
          hosts: hosts.map((host, index) => hostOf(`host-${index}`, host)),
          vms: descriptions,
          placement,
          migrationPolicy: PRESETS.find(({ name }) => name === 'predictive')!,
          failures: failing === null ? [] : [{ hostId: `host-${failing}`, atS: 3600, forS: 1800 }],
        });
        fc.pre(survives(simulation, haReservation));
        const settings: ControllerSettings = {
          ...settingsOf(policy),
          ...{ memoryOvercommit: 1, haReservation, cooldownSeconds: COOLDOWN_S, pressure: true },
        };
        const controller = new Controller(settings);
        const watching = new Watching(controller, settings, () => survives(simulation, haReservation));
        simulation.run(watching, { untilS: 9 * 3600, stepS: 900, decideEveryS: 300 });

        for (const { description } of simulation.vms) {
          const moves = watching.movesOf(description.id);
          // Within one plan a VM may step aside and go on; plans leave it alone after that.
          for (const [index, { atS, planId }] of moves.entries()) {
            const before = moves[index - 1];
            if (before && before.planId !== planId) expect(atS - before.atS).toBeGreaterThanOrEqual(COOLDOWN_S);
          }
        }
        const lastMoveS = watching.ordered.at(-1)?.atS ?? 0;
        expect(lastMoveS).toBeLessThan((RESTLESS_HOURS + 6.5) * 3600);
        const orders = [...controller.decide(simulation)].flatMap(({ moves }) => moves);
        expect(orders).toEqual([]);
      }),
      often(20),
    );
  });
});

/**
 * Whichever hosts of those that are up fail, their VMs find memory on the others, placed one by one, the largest first:
 * where least is left, or where most is. As in plans, VMs on their way count where they go.
 */
function survives({ hosts, vms }: Simulation, failures: number): boolean {
  const homeOf = (vm: Simulation['vms'][number]) => vm.migration?.destination ?? vm.host;
  const sizesOn = (host: Simulation['hosts'][number]) =>
    vms.filter((vm) => homeOf(vm) === host).map(({ description }) => description.memoryMiB);
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  const up = hosts.filter(({ status }) => status === 'up');
  return (
    up.length >= failures &&
    choicesOf(up, failures).every((lost) => {
      const others = up.filter((host) => !lost.includes(host));
      const sizes = lost.flatMap(sizesOn).toSorted((a, b) => b - a);
      return [Math.min, Math.max].some((choose) => {
        const free = others.map((host) => host.description.memoryMiB - sum(sizesOn(host)));
        return sizes.every((size) => {
          const place = free.indexOf(choose(...free.filter((left) => left >= size)));
          if (place < 0) return false;
          free[place]! -= size;
          return true;
        });
      });
    })
  );
}

const choicesOf = <T>(items: readonly T[], size: number): T[][] =>
  size === 0
    ? [[]]
    : items.flatMap((item, index) => choicesOf(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]));
