import type { Command } from 'commander';
import type { PlanView } from '#contracts';
import { mebibytes } from '../arguments.js';
import { UsageError } from '../failure.js';
import { all, findCluster } from '../lookup.js';
import { change, show } from '../output.js';
import { policyOf } from '../policy.js';
import { table } from '../table.js';

/** A plan as people read it: what moves and why, and what does not and why. */
function planText(plan: PlanView): string {
  const moves = plan.moves.map((m) => [
    m.vmName,
    m.sourceHostName,
    m.destinationHostName,
    Number(m.gain.toFixed(1)),
    m.reason,
  ]);
  const refusals = plan.refusals.map((r) => [r.vmName ?? '-', r.hostName ?? 'anywhere', r.reason]);
  return [
    plan.summary,
    `imbalance ${plan.imbalanceBefore.toFixed(1)} -> ${plan.imbalanceAfter.toFixed(1)}`,
    ...(moves.length > 0 ? ['', table(['VM', 'FROM', 'TO', 'GAIN', 'REASON'], moves)] : []),
    ...(refusals.length > 0 ? ['', table(['VM', 'NOT TO', 'REASON'], refusals)] : []),
  ].join('\n');
}

export function clusterCommands(program: Command): void {
  const clusters = program.command('clusters').description('clusters of hosts under one policy');
  clusters
    .command('list', { isDefault: true })
    .description('all clusters')
    .action((_options, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.clusters.list({ cursor }));
        const rows = value.map((c) => [
          c.name,
          c.schedulingPolicy.name,
          c.cooldownSeconds,
          c.maxMigrationsPerHost,
          c.id,
        ]);
        return { value, text: table(['NAME', 'POLICY', 'COOLDOWN S', 'MIGRATIONS/HOST', 'ID'], rows) };
      }),
    );
  clusters
    .command('create <name>')
    .description('makes a cluster without hosts')
    .option('--description <text>', 'what it is for', '')
    .action((name: string, options: { description: string }, command: Command) =>
      change(command, async (client) => {
        const value = await client.clusters.create({ name, description: options.description });
        return { value, text: `cluster ${value.name} ${value.id}` };
      }),
    );

  clusters
    .command('set <cluster>')
    .description('changes what is given')
    .option(
      '--checkpoint-limit <MiB>',
      'what each host may take for the memory of VMs that left it; 0: nothing',
      mebibytes,
    )
    .action((name: string, options: { checkpointLimit?: number }, command: Command) =>
      change(command, async (client) => {
        if (Object.keys(options).length === 0) throw new UsageError('nothing to set; give --checkpoint-limit');
        const { id } = await findCluster(client, name);
        const value = await client.clusters.update(id, { checkpointLimitMiB: options.checkpointLimit });
        return { value, text: `hosts of ${value.name} keep up to ${value.checkpointLimitMiB} MiB of VMs that left` };
      }),
    );

  program
    .command('plan [cluster]')
    .description('what the scheduling policy would do now, and why; nothing is moved')
    .option('--policy <name>', 'what this policy would do, with its defaults, instead of the one that is set')
    .action((name: string | undefined, options: { policy?: string }, command: Command) =>
      show(command, async (client) => {
        const schedulingPolicy = options.policy === undefined ? undefined : policyOf(options.policy, {});
        const value = await client.clusters.plan((await findCluster(client, name)).id, { schedulingPolicy });
        return { value, text: planText(value) };
      }),
    );
}
