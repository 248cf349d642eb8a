/** Policies by time of day, and what policies have been. */
import { type Command, InvalidArgumentError } from 'commander';
import { type ClusterView, PolicyWindow, Weekday } from '#contracts';
import { UsageError } from '../failure.js';
import { findCluster, findMigrationPolicy } from '../lookup.js';
import { change, show } from '../output.js';
import { parametersOf, policyOf } from '../policy.js';
import { ago, table } from '../table.js';

interface ScheduleOptions {
  readonly timeZone?: string;
  readonly window: readonly PolicyWindow[];
  readonly none?: true;
}

const WINDOW = /^(?:([a-z,]+) )?(\d\d:\d\d)-(\d\d:\d\d) (\w+)((?: \w+=\S+)*)$/;

/** `saturday,sunday 22:00-06:00 power_saving LowUtilization=30`; without days: every day. */
function windowOf(text: string, before: readonly PolicyWindow[]): PolicyWindow[] {
  const [, days, from, to, name, words] = WINDOW.exec(text) ?? [];
  if (!name)
    throw new InvalidArgumentError(
      'give [DAYS] HH:MM-HH:MM POLICY [PARAMETER=VALUE...], such as "saturday,sunday 22:00-06:00 power_saving".',
    );
  const parameters = parametersOf(name, words!.trim() === '' ? [] : words!.trim().split(' '));
  const schedulingPolicy = policyOf(name, parameters);
  const window = PolicyWindow.safeParse({ days: days?.split(','), from, to, schedulingPolicy });
  if (window.success) return [...before, window.data];
  throw new InvalidArgumentError(`${window.error.issues[0]!.message}; days are ${Weekday.options.join(', ')}.`);
}

function scheduleText({ schedulingPolicy, policySchedule, openWindow }: ClusterView): string {
  if (!policySchedule) return `no schedule: ${schedulingPolicy.name} at any time`;
  const { timeZone, windows } = policySchedule;
  const rows = windows.map(({ days, from, to, schedulingPolicy: { name } }, index) => [
    days.length === Weekday.options.length ? 'every day' : days.join(', '),
    from,
    to,
    name,
    index === openWindow ? 'open' : '',
  ]);
  return [
    `time zone ${timeZone}; at all other times ${schedulingPolicy.name}`,
    table(['DAYS', 'FROM', 'TO', 'POLICY', 'NOW'], rows),
  ].join('\n');
}

interface Version {
  readonly version: number;
  readonly policy: object;
  readonly changedBy: string;
  readonly changedAt: string;
}

/** What each version changed, against the one before it. */
function versionsText(versions: readonly Version[]): string {
  const now = Date.now();
  const rows = versions.map(({ version, policy, changedBy, changedAt }, index) => {
    const before = versions[index + 1]?.policy as Record<string, unknown> | undefined;
    const changed = Object.entries(policy).filter(
      ([name, value]) => before && JSON.stringify(before[name]) !== JSON.stringify(value),
    );
    const what = before
      ? changed.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ')
      : 'the first that is known';
    return [version, ago(changedAt, now), changedBy, what];
  });
  return rows.length === 0 ? 'never changed' : table(['VERSION', 'AGE', 'BY', 'CHANGED'], rows);
}

export function scheduleCommands(policies: Command): void {
  policies
    .command('schedule <cluster>')
    .description('policies by time of day; with options: sets them')
    .option('--time-zone <name>', 'such as Europe/Berlin (UTC unless one is set)')
    .option('--window <window>', 'such as "22:00-06:00 power_saving"; several: the first that is open', windowOf, [])
    .option('--none', 'no schedule any more')
    .action((name: string, { timeZone, window, none }: ScheduleOptions, command: Command) => {
      if (!none && window.length === 0 && timeZone === undefined)
        return show(command, async (client) => {
          const cluster = await findCluster(client, name);
          return { value: cluster.policySchedule, text: scheduleText(cluster) };
        });
      return change(command, async (client) => {
        const { id, policySchedule: before } = await findCluster(client, name);
        const windows = window.length > 0 ? [...window] : (before?.windows ?? []);
        if (!none && windows.length === 0) throw new UsageError('a schedule needs a window: give --window');
        const policySchedule = none ? null : { timeZone: timeZone ?? before?.timeZone ?? 'UTC', windows };
        const value = await client.clusters.update(id, { policySchedule });
        return { value: value.policySchedule, text: scheduleText(value) };
      });
    });
  policies
    .command('history <cluster>')
    .description("what the cluster's policy has been, and who changed it")
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const { items: value } = await client.clusters.versions((await findCluster(client, name)).id);
        return { value, text: versionsText(value) };
      }),
    );
}

export function migrationHistoryCommand(migration: Command): void {
  migration
    .command('history <policy>')
    .description('what the migration policy has been, and who changed it')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const { items: value } = await client.migrationPolicies.versions((await findMigrationPolicy(client, name)).id);
        return { value, text: versionsText(value) };
      }),
    );
}
