/** A controller that ends in the middle of its work, again and again: nothing is done twice, and nothing is left undone. */
import { expect, test } from 'vitest';
import { hostOf, vmOf } from './cluster.fixture.js';
import { Controller, type ControllerSettings } from './controller.js';
import { dice } from './random.js';
import type { Decision } from './decision.js';
import type { Director, Simulation } from './simulation.js';
import { Watching, clusterOf, nightly, settingsOf } from './watching.fixture.js';

/** Where it ends: before anything was stored, after that and before any order was sent, or between two orders. */
type End = 'before' | 'stored' | 'half';
const ENDS: readonly End[] = ['before', 'stored', 'half'];

/** Ends where chance wants it, and starts anew with what was stored. */
class Dying implements Director {
  #kept: string;
  deaths = 0;

  constructor(
    private readonly settings: ControllerSettings,
    private readonly end: (step: number) => End | null,
  ) {
    this.#kept = JSON.stringify(new Controller(settings).memory);
  }

  get memory(): Controller['memory'] {
    return JSON.parse(this.#kept);
  }

  decide(simulation: Simulation): Iterable<Decision> {
    return this.#until((controller) => controller.decide(simulation));
  }

  follow(simulation: Simulation): Iterable<Decision> {
    return this.#until((controller) => controller.follow(simulation));
  }

  *#until(work: (controller: Controller) => Iterable<Decision>): Generator<Decision> {
    const controller = new Controller(this.settings, this.memory);
    let step = 0;
    for (const decision of work(controller)) {
      const end = this.end(step++);
      if (end !== null) this.deaths++;
      if (end === 'before') return;
      this.#kept = JSON.stringify(controller.memory);
      const { moves } = decision;
      // What is stored is done; orders are sent afterwards.
      if (end === 'stored') yield { ...decision, moves: [] };
      else if (end === 'half') yield { ...decision, moves: moves.slice(0, Math.floor(moves.length / 2)) };
      else yield decision;
      if (end !== null) return;
    }
  }
}

const HOURS = 4;
const settings = settingsOf({ name: 'none' }, { maintenance: [nightly({ hostsAtOnce: 2 })], haReservation: 1 });

/** Four hosts with three VMs each, all of which are gone through between one and three at night. */
const rolling = (): Simulation => {
  const names = ['a', 'b', 'c', 'd'];
  const vmsOf = (host: string) => [1, 2, 3].map((n) => vmOf(`${host}${n}`, 10, { memoryMiB: 1024 }));
  return clusterOf(
    names.map((name) => hostOf(name)),
    Object.fromEntries(names.map((name) => [name, vmsOf(name)])),
  );
};

function night(end: (step: number) => End | null) {
  const simulation = rolling();
  const dying = new Dying(settings, end);
  const watching = new Watching(dying, settings);
  simulation.run(watching, { untilS: HOURS * 3600, stepS: 300, decideEveryS: 60 });
  return { simulation, dying, watching };
}

function expectDone({ simulation, dying, watching }: ReturnType<typeof night>) {
  const { runs, migrations, plans } = dying.memory;
  expect(runs.map(({ hostId, phase }) => `${hostId} ${phase}`).toSorted()).toEqual([
    'a done',
    'b done',
    'c done',
    'd done',
  ]);
  expect([migrations, plans]).toEqual([[], []]);
  for (const { description, host } of simulation.vms) {
    const { id } = description;
    const home = id[0]!;
    expect(host.description.id, id).toBe(home);
    // It has left each host that was emptied at most once, and its own once.
    expect(
      watching.movesOf(id).filter(({ from }) => from === home),
      id,
    ).toHaveLength(1);
  }
  // Each order has begun one migration, however often it was given.
  expect(simulation.migrationsStarted).toBe(watching.ordered.length);
  expect(simulation.migrationsFailed).toBe(0);
}

test('without trouble every VM leaves its host once and comes back', () => expectDone(night(() => null)));

test.each([0, 1, 2, 3, 4].flatMap((step) => ENDS.map((end) => [step, end] as const)))(
  'it ends in step %i of every other turn: %s',
  (step, end) => {
    let turns = 0;
    const done = night((now) => {
      if (now === 0) turns++;
      return now === step && turns % 2 === 0 ? end : null;
    });
    expect(done.dying.deaths).toBeGreaterThan(HOURS * 10);
    expectDone(done);
  },
);

test('it ends wherever chance wants it', () => {
  for (const seed of [1, 2, 3]) {
    const random = dice(seed);
    const done = night(() => (random() < 0.06 ? ENDS[Math.floor(random() * ENDS.length)]! : null));
    expect(done.dying.deaths).toBeGreaterThan(50);
    expectDone(done);
  }
});

const evenly = settingsOf({ name: 'evenly_distributed', parameters: { ImbalanceThreshold: 0 } });

test.each([0, 1, 2].flatMap((step) => ENDS.map((end) => [step, end] as const)))(
  'while VMs are spread it ends in step %i of every other turn: %s',
  (step, end) => {
    const eight = Array.from({ length: 8 }, (_, n) => vmOf(`vm-${n}`, 20, { memoryMiB: 512 }));
    const hosts = ['a', 'b', 'c', 'd'].map((name) => hostOf(name));
    const simulation = clusterOf(hosts, { a: eight });
    let turns = 0;
    const dying = new Dying(evenly, (now) => {
      if (now === 0) turns++;
      return now === step && turns % 2 === 1 ? end : null;
    });
    const watching = new Watching(dying, evenly);
    simulation.run(watching, { untilS: 3600, stepS: 300, decideEveryS: 60 });
    expect(dying.deaths).toBeGreaterThan(20);
    expect(simulation.hosts.map(({ vms }) => vms.size)).toEqual([2, 2, 2, 2]);
    for (const { id } of eight) expect(watching.movesOf(id).length, id).toBeLessThanOrEqual(1);
    expect([simulation.migrationsStarted, simulation.migrationsFailed]).toEqual([watching.ordered.length, 0]);
    expect([dying.memory.migrations, dying.memory.plans]).toEqual([[], []]);
  },
);
