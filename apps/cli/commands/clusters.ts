import type { Command } from 'commander';
import { mebibytes } from '../arguments.js';
import { UsageError } from '../failure.js';
import { all, findCluster } from '../lookup.js';
import { change, show } from '../output.js';
import { table } from '../table.js';

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
          c.planMode,
          c.cooldownSeconds,
          c.maxMigrationsPerHost,
          c.id,
        ]);
        return { value, text: table(['NAME', 'POLICY', 'MODE', 'COOLDOWN S', 'MIGRATIONS/HOST', 'ID'], rows) };
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
}
