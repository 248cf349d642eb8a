import { expect, test } from 'vitest';
import { Simulation, metricsOf } from '#simulator';
import { Consolidation, noMigrations, removeCompleted } from './cloudsim.js';
import { DAY_S, HOSTS, STEP_S, placeBestFit, placeFirstFit, readVms } from './planetlab.js';

const vms = readVms();

test('the day of PlanetLab without migrations costs what CloudSim 3.0.3 says: 802.8 kWh', () => {
  const simulation = new Simulation({ hosts: HOSTS, vms, placement: placeFirstFit(vms), idleIsOff: true });
  let completed = 0;
  const times = { untilS: DAY_S, stepS: STEP_S, decideEveryS: STEP_S };
  simulation.run(noMigrations, times, () => (completed += removeCompleted(simulation)));
  expect(metricsOf(simulation).energyKWh).toBeGreaterThan(802.8 * 0.995);
  expect(metricsOf(simulation).energyKWh).toBeLessThan(802.8 * 1.005);
  expect(completed).toBe(532); // VMs with 0 % at two steps in a row
});

test('a local regression with minimum migration time consolidates: first everything, then what rises', () => {
  const simulation = new Simulation({ hosts: HOSTS, vms, placement: placeBestFit(vms), idleIsOff: true });
  const director = new Consolidation({ safety: 1.2 });
  const loaded: number[] = [];
  const times = { untilS: 5 * STEP_S, stepS: STEP_S, decideEveryS: STEP_S };
  simulation.run(director, times, () => loaded.push(simulation.hosts.filter((host) => host.utilization > 0).length));
  expect(loaded[0]).toBeGreaterThan(700);
  expect(loaded.at(-1)).toBeLessThan(200);
  expect(director.migrationsCounted).toBeGreaterThanOrEqual(simulation.migrationsStarted);
});
