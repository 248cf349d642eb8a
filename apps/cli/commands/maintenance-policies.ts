import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { DroverClient } from '#client';
import { CreateMaintenancePolicy, type MaintenancePolicyView, UpdateMaintenancePolicy } from '#contracts';
import { z } from 'zod';
import { NotFound, UsageError } from '../failure.js';
import { all, findCluster } from '../lookup.js';
import { change, show } from '../output.js';
import { record, table } from '../table.js';

const triggerText = (trigger: MaintenancePolicyView['triggers'][number]): string =>
  trigger.kind === 'health' ? `health (${trigger.checks.join(', ')})` : trigger.kind;

const windowText = ({ cron, timeZone, durationMinutes }: MaintenancePolicyView['windows'][number]): string =>
  `${cron} ${timeZone}, ${durationMinutes} min`;

const policiesText = (policies: readonly MaintenancePolicyView[]) =>
  table(
    ['NAME', 'ON', 'VERSION', 'TRIGGERS', 'WINDOWS', 'NEXT', 'AT ONCE', 'ACTION'],
    policies.map((policy) => [
      policy.name,
      policy.enabled ? 'yes' : 'no',
      policy.version,
      policy.triggers.map(triggerText).join(', '),
      policy.windows.map(windowText).join('; '),
      policy.nextWindow?.startsAt,
      policy.hostsAtOnce,
      policy.action.kind === 'command' ? policy.action.name : policy.action.kind,
    ]),
  );

const policyText = (policy: MaintenancePolicyView): string =>
  record({
    ...Object.fromEntries(
      Object.entries(policy).map(([name, value]) => [
        name,
        typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
      ]),
    ),
    triggers: policy.triggers.map(triggerText).join(', '),
    windows: policy.windows.map(windowText).join('; '),
  });

async function findPolicy(client: DroverClient, name: string): Promise<MaintenancePolicyView> {
  const policies = await all((cursor) => client.maintenancePolicies.list({ cursor }));
  const found = policies.filter((policy) => policy.name === name || policy.id === name);
  if (found.length > 1) throw new UsageError(`several clusters have a maintenance policy ${name}: give its id`);
  if (!found[0]) throw new NotFound(`there is no maintenance policy ${name}`);
  return found[0];
}

/** A file's JSON (`-`: standard input), as the schema has it. */
function read<S extends z.ZodType>(file: string, schema: S): z.output<S> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new UsageError(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

const EXAMPLE = `
A policy as JSON, such as:
  { "name": "patch", "hostLabels": ["rack-1"], "hostsAtOnce": 2,
    "windows": [{ "cron": "0 2 * * 6", "timeZone": "Europe/Berlin", "durationMinutes": 240 }],
    "triggers": [{ "kind": "health", "checks": ["reboot_required"], "atLeast": "warning" }],
    "action": { "kind": "command", "name": "upgrade", "restarts": true } }
Triggers are window, health, migration_failures and request; what is left out has its default.`;

export function maintenancePolicyCommands(maintenance: Command): void {
  const policies = maintenance.command('policies').description('when hosts go into maintenance, and what is done then');
  policies
    .command('list', { isDefault: true })
    .description('all of them, with their next windows')
    .action((_options, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.maintenancePolicies.list({ cursor }));
        return { value, text: policiesText(value) };
      }),
    );
  policies
    .command('show <policy>')
    .description('all that one says')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await findPolicy(client, name);
        return { value, text: policyText(value) };
      }),
    );
  policies
    .command('create <file>')
    .description('from a file; - is standard input')
    .option('--cluster <cluster>', 'where it belongs')
    .addHelpText('after', EXAMPLE)
    .action((file: string, options: { cluster?: string }, command: Command) =>
      change(command, async (client) => {
        const { id: clusterId } = await findCluster(client, options.cluster);
        const body = read(file, CreateMaintenancePolicy.extend({ clusterId: z.uuid().default(clusterId) }));
        const value = await client.maintenancePolicies.create(body);
        return { value, text: policiesText([value]) };
      }),
    );
  policies
    .command('change <policy> <file>')
    .description('what the file names; the rest stays; - is standard input')
    .addHelpText('after', EXAMPLE)
    .action((name: string, file: string, _options, command: Command) =>
      change(command, async (client) => {
        const { id } = await findPolicy(client, name);
        const value = await client.maintenancePolicies.update(id, read(file, UpdateMaintenancePolicy));
        return { value, text: policiesText([value]) };
      }),
    );
  for (const [verb, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const)
    policies
      .command(`${verb} <policy>`)
      .description(enabled ? 'it holds from now on' : 'it holds no longer; runs that it has begun go on')
      .action((name: string, _options, command: Command) =>
        change(command, async (client) => {
          const value = await client.maintenancePolicies.update((await findPolicy(client, name)).id, { enabled });
          return { value, text: policiesText([value]) };
        }),
      );
  policies
    .command('delete <policy>')
    .description('runs that it has begun go on')
    .action((name: string, _options, command: Command) =>
      change(command, async (client) => {
        const value = await findPolicy(client, name);
        await client.maintenancePolicies.remove(value.id);
        return { value, text: `maintenance policy ${value.name} is deleted` };
      }),
    );
  policies
    .command('history <policy>')
    .description('its versions, and who made them')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const { items: value } = await client.maintenancePolicies.versions((await findPolicy(client, name)).id);
        const rows = value.map(({ version, changedAt, changedBy, policy }) => [
          version,
          changedAt,
          changedBy,
          JSON.stringify(policy),
        ]);
        return { value, text: table(['VERSION', 'AT', 'BY', 'POLICY'], rows) };
      }),
    );
  policies
    .command('try <policy>')
    .description('which hosts it would empty now; nothing is begun')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.maintenancePolicies.dryRun((await findPolicy(client, name)).id);
        const due = value.due.map(({ hostName, group, reason }) => [hostName, group, reason]);
        return {
          value,
          text: due.length === 0 ? value.summary : `${value.summary}\n\n${table(['HOST', 'GROUP', 'WHY'], due)}`,
        };
      }),
    );
}
