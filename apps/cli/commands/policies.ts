import type { Command } from 'commander';
import { z } from 'zod';
import { EvenlyDistributedParameters, SchedulingPolicy } from '#contracts';
import { UsageError } from '../failure.js';
import { all, findCluster, findMigrationPolicy } from '../lookup.js';
import { answer } from '../output.js';
import { record, table } from '../table.js';

/** `HighUtilization=70` and the like, as numbers by name. */
function parametersOf(words: readonly string[]): Record<string, number> {
  const known = Object.keys(EvenlyDistributedParameters.shape);
  return Object.fromEntries(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=');
      if (!known.includes(name)) throw new UsageError(`${name} is not a parameter; use ${known.join(', ')}`);
      if (value === '' || Number.isNaN(Number(value)))
        throw new UsageError(`${name}: give a number, such as ${name}=10`);
      return [name, Number(value)];
    }),
  );
}

function policyOf(name: string, words: readonly string[]): SchedulingPolicy {
  const parsed = SchedulingPolicy.safeParse(words.length > 0 ? { name, parameters: parametersOf(words) } : { name });
  if (parsed.success) return parsed.data;
  throw new UsageError(`policy ${name}: ${z.prettifyError(parsed.error)}`);
}

const policyText = (policy: SchedulingPolicy) =>
  record({ policy: policy.name, ...(policy.name === 'none' ? {} : policy.parameters) });

export function policyCommands(program: Command): void {
  const policies = program.command('policies').description('scheduling policies of clusters, and migration policies');
  policies
    .command('show [cluster]', { isDefault: true })
    .description("a cluster's scheduling policy")
    .action((name: string | undefined, _options, command: Command) =>
      answer(command, async (client) => {
        const { schedulingPolicy } = await findCluster(client, name);
        return { value: schedulingPolicy, text: policyText(schedulingPolicy) };
      }),
    );
  policies
    .command('set <cluster> <policy> [parameter=value...]')
    .description('none or evenly_distributed, such as: set demo evenly_distributed HighUtilization=70')
    .action((cluster: string, policy: string, words: string[], _options, command: Command) =>
      answer(command, async (client) => {
        const { id } = await findCluster(client, cluster);
        const { schedulingPolicy } = await client.clusters.update(id, { schedulingPolicy: policyOf(policy, words) });
        return { value: schedulingPolicy, text: policyText(schedulingPolicy) };
      }),
    );

  const migration = policies.command('migration').description('how migrations are carried out');
  migration
    .command('list', { isDefault: true })
    .description('all migration policies')
    .action((_options, command: Command) =>
      answer(command, async (client) => {
        const value = await all((cursor) => client.migrationPolicies.list({ cursor }));
        const rows = value.map((p) => [
          p.name,
          p.downtimeLimitMs,
          p.bandwidthMiBps ?? 'unlimited',
          p.timeoutSeconds,
          p.description,
        ]);
        return { value, text: table(['NAME', 'DOWNTIME LIMIT MS', 'MIB/S', 'TIMEOUT S', 'DESCRIPTION'], rows) };
      }),
    );
  migration
    .command('use <cluster> <policy>')
    .description("makes it the cluster's")
    .action((cluster: string, policy: string, _options, command: Command) =>
      answer(command, async (client) => {
        const { id } = await findCluster(client, cluster);
        const migrationPolicyId = (await findMigrationPolicy(client, policy)).id;
        const value = await client.clusters.update(id, { migrationPolicyId });
        return { value, text: `cluster ${value.name} migrates by ${policy}` };
      }),
    );
}
