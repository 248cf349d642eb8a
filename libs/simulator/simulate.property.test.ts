import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SchedulingPolicy } from '#contracts';
import { hostOf, STRAIGHT, vmOf } from './cluster.fixture.js';
import { Controller, type ControllerSettings } from './controller.js';
import { metricsOf } from './metrics.js';
import { type Decision, type Director, Simulation } from './simulation.js';

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

const runs = { numRuns: 25 };

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

/** Starts a new controller for each decision, which knows what the last one has kept, and that through JSON. */
class Restarting implements Director {
  #kept: string | null = null;
  constructor(private readonly settings: ControllerSettings) {}

  decide(simulation: Simulation): Decision {
    const controller = new Controller(this.settings, this.#kept === null ? undefined : JSON.parse(this.#kept));
    const decision = controller.decide(simulation);
    this.#kept = JSON.stringify(controller.memory);
    return decision;
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
