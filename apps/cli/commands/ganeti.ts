import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type GanetiPlan, planGaneti } from '#simulator';
import { UsageError } from '../failure.js';
import { refuseWatch } from '../output.js';
import { policyOf } from '../policy.js';
import { table } from '../table.js';

interface GanetiOptions {
  readonly json?: boolean;
  readonly policy: string;
  readonly utilization?: string;
  readonly save?: string;
}

function planText({ moves, summary }: GanetiPlan): string {
  const rows = moves.map(({ vmId, sourceHostId, destinationHostId, reason }, index) => [
    index + 1,
    vmId,
    sourceHostId,
    destinationHostId,
    reason,
  ]);
  return [summary, ...(rows.length > 0 ? ['', table(['STEP', 'VM', 'FROM', 'TO', 'REASON'], rows)] : [])].join('\n');
}

export function ganetiCommand(program: Command): void {
  program
    .command('ganeti <file>')
    .description("what a policy would do with a cluster in the text format of Ganeti's hbal (-t); asks no controller")
    .option('--policy <name>', 'the policy, with its defaults', 'evenly_distributed')
    .option('-U, --utilization <file>', "loads of instances, as hbal's -U")
    .option('-S, --save <file>', 'writes the cluster as it would be afterwards, in the same format')
    .action((file: string, _options: unknown, command: Command) => {
      refuseWatch(command);
      const { json, policy, utilization, save } = command.optsWithGlobals<GanetiOptions>();
      try {
        const plan = planGaneti(
          readFileSync(file, 'utf8'),
          utilization === undefined ? '' : readFileSync(utilization, 'utf8'),
          policyOf(policy, {}),
        );
        if (save !== undefined) writeFileSync(save, plan.after);
        console.log(json ? JSON.stringify(plan, null, 2) : planText(plan));
      } catch (error) {
        if (error instanceof RangeError) throw new UsageError(`${file}: ${error.message}`);
        throw error;
      }
    });
}
