import { type Command, Option } from 'commander';
import {
  Convergence,
  MigrationEncryption,
  type MigrationPolicyView,
  PlanMode,
  type SchedulingPolicy,
} from '#contracts';
import { oneOf, wholeNumber } from '../arguments.js';
import { UsageError } from '../failure.js';
import { all, findCluster, findMigrationPolicy } from '../lookup.js';
import { changedConvergence, convergenceText } from '../means.js';
import { change, show } from '../output.js';
import { parametersOf, policyOf, POLICY_NAMES } from '../policy.js';
import { record, table } from '../table.js';
import { migrationHistoryCommand, scheduleCommands } from './schedule.js';

const policyText = (policy: SchedulingPolicy) =>
  record({ policy: policy.name, ...('parameters' in policy ? policy.parameters : {}) });

const MIGRATION_HEADING = [
  ...['NAME', 'DOWNTIME LIMIT MS', 'MIB/S', 'SHARE %', 'TIMEOUT S', 'DEADLINE S', 'ENCRYPTION', 'MEANS', 'CHECKPOINTS'],
  'DESCRIPTION',
];
const migrationRow = (p: MigrationPolicyView) => [
  p.name,
  p.downtimeLimitMs,
  p.bandwidthMiBps ?? 'unlimited',
  p.bandwidthSharePercent ?? 100,
  p.timeoutSeconds,
  p.convergence.deadlineSeconds,
  p.tunnelled ? 'tunnelled' : p.encryption,
  convergenceText(p.convergence),
  p.keepCheckpoints ? 'kept' : 'not kept',
  p.description,
];

interface MigrationPolicyOptions {
  readonly downtimeLimit?: number;
  readonly bandwidth?: number | 'unlimited';
  readonly bandwidthShare?: number | 'unlimited';
  readonly encryption?: MigrationEncryption;
  readonly tunnelled?: boolean;
  readonly timeout?: number;
  readonly deadline?: number;
  readonly mode?: Convergence['mode'];
  readonly means?: string;
  readonly keepCheckpoints?: 'yes' | 'no';
}

const bandwidth = (text: string) => (text === 'unlimited' ? text : wholeNumber(text));

export function policyCommands(program: Command): void {
  const policies = program.command('policies').description('scheduling policies of clusters, and migration policies');
  policies
    .command('list', { isDefault: true })
    .description("all clusters' scheduling and migration policies")
    .action((_options, command: Command) =>
      show(command, async (client) => {
        const clusters = await all((cursor) => client.clusters.list({ cursor }));
        const migrationPolicies = await all((cursor) => client.migrationPolicies.list({ cursor }));
        const nameOf = new Map(migrationPolicies.map((policy) => [policy.id, policy.name]));
        const value = clusters.map(({ name, schedulingPolicy, migrationPolicyId }) => ({
          cluster: name,
          schedulingPolicy,
          migrationPolicy: nameOf.get(migrationPolicyId) ?? migrationPolicyId,
        }));
        const rows = value.map((v) => [v.cluster, v.schedulingPolicy.name, v.migrationPolicy]);
        return { value, text: table(['CLUSTER', 'SCHEDULING', 'MIGRATION'], rows) };
      }),
    );
  policies
    .command('show [cluster]')
    .description("a cluster's scheduling policy with its parameters")
    .action((name: string | undefined, _options, command: Command) =>
      show(command, async (client) => {
        const { schedulingPolicy } = await findCluster(client, name);
        return { value: schedulingPolicy, text: policyText(schedulingPolicy) };
      }),
    );
  policies
    .command('set <cluster> <policy> [parameter=value...]')
    .description(`${POLICY_NAMES.join(', ')}, such as: set demo evenly_distributed HighUtilization=70`)
    .action((cluster: string, policy: string, words: string[], _options, command: Command) =>
      change(command, async (client) => {
        const given = parametersOf(policy, words);
        const { id, schedulingPolicy: before } = await findCluster(client, cluster);
        const kept = before.name === policy && 'parameters' in before ? before.parameters : {};
        const { schedulingPolicy } = await client.clusters.update(id, {
          schedulingPolicy: policyOf(policy, { ...kept, ...given }),
        });
        return { value: schedulingPolicy, text: policyText(schedulingPolicy) };
      }),
    );
  policies
    .command('mode <cluster> <mode>')
    .description(`what becomes of the policy's plans: ${PlanMode.options.join(', ')}`)
    .action((name: string, word: string, _options, command: Command) =>
      change(command, async (client) => {
        const mode = PlanMode.safeParse(word);
        if (!mode.success) throw new UsageError(`${word}: choose ${PlanMode.options.join(', ')}`);
        const value = await client.clusters.update((await findCluster(client, name)).id, { planMode: mode.data });
        return { value, text: `plans of cluster ${value.name}: ${value.planMode}` };
      }),
    );

  scheduleCommands(policies);
  const migration = policies.command('migration').description('how migrations are carried out');
  migrationHistoryCommand(migration);
  migration
    .command('list', { isDefault: true })
    .description('all migration policies')
    .action((_options, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.migrationPolicies.list({ cursor }));
        return { value, text: table(MIGRATION_HEADING, value.map(migrationRow)) };
      }),
    );
  migration
    .command('set <policy>')
    .description('changes what is given')
    .option('--downtime-limit <ms>', 'longest pause of the guest at the switchover', wholeNumber)
    .option('--bandwidth <MiB/s>', "limit of one migration, or 'unlimited'", bandwidth)
    .option('--bandwidth-share <percent>', "of a host's link, for all its migrations, or 'unlimited'", bandwidth)
    .addOption(oneOf('--encryption <when>', 'auto: between machines', MigrationEncryption))
    .option('--tunnelled', 'all connections through the agents, to one port, always encrypted')
    .option('--no-tunnelled', "connections of the VMs' own processes")
    .option('--timeout <seconds>', 'a migration that takes longer is cancelled', wholeNumber)
    .option('--deadline <seconds>', 'how long it should take at most', wholeNumber)
    .addOption(
      oneOf('--mode <mode>', 'means in the order given, or the mildest that will do', Convergence.shape.mode.unwrap()),
    )
    .option('--means <list>', 'allowed means, such as downtime_limit,throttle:maximumPercent=80,post_copy')
    .addOption(
      new Option('--keep-checkpoints <yes|no>', 'whether hosts may keep the memory of VMs that left').choices([
        'yes',
        'no',
      ]),
    )
    .action((policy: string, options: MigrationPolicyOptions, command: Command) =>
      change(command, async (client) => {
        if (Object.keys(options).length === 0)
          throw new UsageError(
            'nothing to set; give --downtime-limit, --bandwidth, --bandwidth-share, --encryption, --tunnelled, --timeout, --deadline, --mode, --means or --keep-checkpoints',
          );
        const { id, convergence } = await findMigrationPolicy(client, policy);
        const value = await client.migrationPolicies.update(id, {
          downtimeLimitMs: options.downtimeLimit,
          bandwidthMiBps: options.bandwidth === 'unlimited' ? null : options.bandwidth,
          bandwidthSharePercent: options.bandwidthShare === 'unlimited' ? null : options.bandwidthShare,
          encryption: options.encryption,
          tunnelled: options.tunnelled,
          timeoutSeconds: options.timeout,
          convergence: changedConvergence(convergence, options),
          keepCheckpoints: options.keepCheckpoints && options.keepCheckpoints === 'yes',
        });
        return { value, text: table(MIGRATION_HEADING, [migrationRow(value)]) };
      }),
    );
  migration
    .command('use <cluster> <policy>')
    .description("makes it the cluster's")
    .action((cluster: string, policy: string, _options, command: Command) =>
      change(command, async (client) => {
        const { id } = await findCluster(client, cluster);
        const migrationPolicyId = (await findMigrationPolicy(client, policy)).id;
        const value = await client.clusters.update(id, { migrationPolicyId });
        return { value, text: `cluster ${value.name} migrates by ${policy}` };
      }),
    );
}
