import { type Command, Option } from 'commander';
import type { FencingPolicy } from '#contracts';
import { mebibytes, seconds, wholeNumber } from '../arguments.js';
import { UsageError } from '../failure.js';
import { all, findCluster } from '../lookup.js';
import { change, show } from '../output.js';
import { record, table } from '../table.js';

interface SetOptions {
  readonly checkpointLimit?: number;
  readonly fencing?: 'on' | 'off';
  readonly fencingGrace?: number;
  readonly fencingSilentLimit?: number;
  readonly fencingAtOnce?: number;
  readonly fencingRestart?: 'on' | 'off';
}

/** What is not given stays. */
function fencingOf(options: SetOptions, before: FencingPolicy): FencingPolicy | undefined {
  const { checkpointLimit: _, ...given } = options;
  if (Object.keys(given).length === 0) return undefined;
  const { fencing, fencingGrace, fencingSilentLimit, fencingAtOnce, fencingRestart } = given;
  return {
    enabled: fencing === undefined ? before.enabled : fencing === 'on',
    graceSeconds: fencingGrace ?? before.graceSeconds,
    skipIfSilentPercent: fencingSilentLimit ?? before.skipIfSilentPercent,
    hostsAtOnce: fencingAtOnce ?? before.hostsAtOnce,
    restart: fencingRestart === undefined ? before.restart : fencingRestart === 'on',
  };
}

const fencingText = ({ enabled, graceSeconds, skipIfSilentPercent, hostsAtOnce, restart }: FencingPolicy): string =>
  enabled
    ? `after ${graceSeconds} s, unless more than ${skipIfSilentPercent} % of hosts are silent, ` +
      `${hostsAtOnce} at once; a fenced host ${restart ? 'is switched on again' : 'stays off'}`
    : 'off';

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
    .addOption(new Option('--fencing <on|off>', 'cuts the power of hosts that are lost').choices(['on', 'off']))
    .option('--fencing-grace <seconds>', 'a host is silent for so long before that', seconds)
    .option('--fencing-silent-limit <percent>', 'no host is fenced while more of them are silent', wholeNumber)
    .option('--fencing-at-once <n>', 'so many hosts are fenced in one moment', wholeNumber)
    .addOption(
      new Option('--fencing-restart <on|off>', 'whether a fenced host is switched on again').choices(['on', 'off']),
    )
    .action((name: string, options: SetOptions, command: Command) =>
      change(command, async (client) => {
        if (Object.keys(options).length === 0) throw new UsageError('nothing to set; --help tells what can be');
        const { id, fencing: before } = await findCluster(client, name);
        const fencing = fencingOf(options, before);
        const value = await client.clusters.update(id, { checkpointLimitMiB: options.checkpointLimit, fencing });
        const text = record({
          name: value.name,
          'checkpoints per host': `${value.checkpointLimitMiB} MiB`,
          fencing: fencingText(value.fencing),
        });
        return { value, text };
      }),
    );
}
