import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { type ScenarioFiles, ScenarioError, parseScenario, reportHtml, reportText, simulate } from '#simulator';
import { wholeNumber } from '../arguments.js';
import { UsageError } from '../failure.js';
import { refuseWatch } from '../output.js';

interface SimulateOptions {
  readonly json?: boolean;
  readonly report?: string;
  readonly seed?: number;
}

/** Paths in a scenario are relative to its file. */
const filesBeside = (scenarioFile: string): ScenarioFiles => {
  const folder = dirname(resolve(scenarioFile));
  return {
    read: (path) => {
      const content = readFileSync(resolve(folder, path));
      return (path.endsWith('.gz') ? gunzipSync(content) : content).toString('utf8');
    },
    list: (path) =>
      readdirSync(resolve(folder, path), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name),
  };
};

export function simulateCommand(program: Command): void {
  program
    .command('simulate <scenario>')
    .description(
      'runs a scenario file in simulated time: energy, migrations, what VMs had to go without; asks no controller',
    )
    .option('--report <file>', 'writes a page with charts (HTML)')
    .option('--seed <n>', "instead of the scenario's", wholeNumber)
    .addHelpText('after', '\nScenario files: docs/simulator.md')
    .action((scenarioFile: string, _options: unknown, command: Command) => {
      refuseWatch(command);
      const { json, report, seed } = command.optsWithGlobals<SimulateOptions>();
      try {
        const scenario = parseScenario(readFileSync(scenarioFile, 'utf8'));
        const result = simulate(seed === undefined ? scenario : { ...scenario, seed }, filesBeside(scenarioFile));
        if (report !== undefined) writeFileSync(report, reportHtml(result));
        console.log(json ? JSON.stringify(result, null, 2) : reportText(result));
      } catch (error) {
        if (error instanceof ScenarioError) throw new UsageError(`${scenarioFile}: ${error.message}`);
        throw error;
      }
    });
}
