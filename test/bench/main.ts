/** `npm run bench`: measures, says how it goes on, and writes the tables of docs/benchmarks.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchLinux } from './linux.bench.js';
import { benchConvergence } from './convergence.bench.js';
import { benchMachine } from './machine.bench.js';
import { benchHeartbeats } from './heartbeats.bench.js';
import { benchHbal } from './hbal.bench.js';
import { measuredOn } from './measured-on.js';
import { benchMigration } from './migration.bench.js';
import { benchPlanner } from './planner.bench.js';
import { benchPolicy } from './policy.bench.js';
import { root } from './programs.js';
import { benchSimulation } from './simulation.bench.js';
import { benchSpeed } from './speed.bench.js';
import { type Section, renderSection, replaceSection } from './table.js';

const DOCUMENT = join(root, 'docs/benchmarks.md');
const REPEATS = 3;

const say = (line: string) => console.error(`bench: ${line}`);

/** In the order in which they run: what needs a quiet machine most comes first. */
const BENCHES: Readonly<Record<string, (repeats: number) => Promise<Section>>> = {
  migration: (repeats) => benchMigration(repeats, say),
  convergence: (repeats) => benchConvergence(repeats === 1, say),
  machine: (repeats) => benchMachine(repeats, say),
  speed: (repeats) => benchSpeed(repeats, say),
  linux: (repeats) => benchLinux(repeats, say),
  policy: (repeats) => benchPolicy(repeats, say),
  planner: async (repeats) => benchPlanner(repeats === 1),
  heartbeats: (repeats) => benchHeartbeats(repeats, say),
  hbal: async () => benchHbal(),
  simulation: async () => benchSimulation(say),
};

const HELP = `usage: npm run bench -- [--quick] [--only ${Object.keys(BENCHES).join('|')}]

  --quick  each measurement once; docs/benchmarks.md stays as it is
  --only   that table alone; the others stay as they are`;

function readArguments(args: readonly string[]) {
  const options = { quick: { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  if (values.only !== undefined && !(values.only in BENCHES))
    throw new Error(`--only ${values.only}: choose ${Object.keys(BENCHES).join(', ')}`);
  return values;
}

/** Runs what the arguments ask for. Throws if a measurement fails. */
export async function runBench(args: readonly string[]): Promise<void> {
  const { quick = false, only, help } = readArguments(args);
  if (help) return console.log(HELP);
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (only !== undefined && only !== name) continue;
    const where = measuredOn(new Date());
    say(`${name} ...`);
    const text = renderSection(where, await bench(quick ? 1 : REPEATS));
    console.log(`\n${text}\n`);
    if (!quick) writeFileSync(DOCUMENT, replaceSection(readFileSync(DOCUMENT, 'utf8'), name, text));
  }
}
