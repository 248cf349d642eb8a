import type { Command } from 'commander';
import type { DroverClient } from '#client';
import {
  type AffinityCheck,
  AffinityGroup,
  type AffinityGroupView,
  type AffinityRule,
  type UpdateAffinityGroup,
} from '#contracts';
import { wholeNumber } from '../arguments.js';
import { NotFound, UsageError } from '../failure.js';
import { all, findCluster, findHost, findVm } from '../lookup.js';
import { change, show } from '../output.js';
import { table } from '../table.js';

const ruleText = ({ enabled, positive, enforcing }: AffinityRule, words: readonly [string, string]) =>
  enabled ? `${positive ? words[0] : words[1]} (${enforcing ? 'hard' : 'soft'})` : null;

const rowOf = (group: AffinityGroupView) => [
  group.name,
  ruleText(group.vmsRule, ['together', 'apart']),
  ruleText(group.hostsRule, ['on hosts', 'not on hosts']),
  group.vmIds.length + group.vmLabels.length,
  group.hostIds.length + group.hostLabels.length,
  group.priority,
  group.violations.map(({ vmName }) => vmName).join(', '),
];

const groupsText = (groups: readonly AffinityGroupView[]) =>
  table(['NAME', 'VMS', 'HOSTS', 'VM MEMBERS', 'HOST MEMBERS', 'PRIORITY', 'VIOLATED BY'], groups.map(rowOf));

const checkText = ({ violations, conflicts }: AffinityCheck) =>
  [
    ...conflicts.map((reason) => `it would be refused: ${reason}`),
    ...violations.map(({ vmName, reason, isHard }) => `${vmName} breaks it (${isHard ? 'hard' : 'soft'}): ${reason}`),
  ].join('\n') || 'nobody breaks it now, and it contradicts no other group';

interface CreateOptions {
  readonly cluster?: string;
  readonly vms?: string;
  readonly hosts?: string;
  readonly vm: string[];
  readonly host: string[];
  readonly vmLabel: string[];
  readonly hostLabel: string[];
  readonly soft?: true;
  readonly priority: number;
  readonly check?: true;
}

/** `together` or `apart` and the like as a rule; undefined if nothing was said. */
function ruleOf(word: string | undefined, words: readonly [string, string], isSoft: boolean): AffinityRule | undefined {
  if (word === undefined) return undefined;
  if (!words.includes(word)) throw new UsageError(`${word}: use ${words.join(' or ')}`);
  return { enabled: true, positive: word === words[0], enforcing: !isSoft };
}

interface UpdateOptions {
  readonly cluster?: string;
  readonly rename?: string;
  readonly vms?: string;
  readonly hosts?: string;
  readonly soft?: true;
  readonly hard?: true;
  readonly priority?: number;
  /** True: named without any, so none from now on. */
  readonly vm?: string[] | true;
  readonly vmLabel?: string[] | true;
  readonly host?: string[] | true;
  readonly hostLabel?: string[] | true;
  readonly check?: true;
}

/** The rule as it was, but for what was said; undefined if that is nothing. */
function changedRule(
  word: string | undefined,
  words: readonly [string, string],
  { soft, hard }: UpdateOptions,
  before: AffinityRule,
): AffinityRule | undefined {
  const enforcing = hard ? true : soft ? false : before.enabled ? before.enforcing : true;
  if (word === 'none') return { ...before, enabled: false };
  if (word === undefined) return before.enabled && (soft || hard) ? { ...before, enforcing } : undefined;
  return ruleOf(word, words, !enforcing);
}

const listOf = (given: string[] | true | undefined): string[] | undefined => (given === true ? [] : given);

const idsOf = async (given: string[] | true | undefined, find: (name: string) => Promise<{ id: string }>) =>
  given && Promise.all(listOf(given)!.map(async (name) => (await find(name)).id));

async function changesOf(client: DroverClient, options: UpdateOptions, before: AffinityGroupView) {
  if (options.soft && options.hard) throw new UsageError('give --soft or --hard, not both');
  const changes: UpdateAffinityGroup = {
    name: options.rename,
    priority: options.priority,
    vmsRule: changedRule(options.vms, ['together', 'apart'], options, before.vmsRule),
    hostsRule: changedRule(options.hosts, ['on', 'off'], options, before.hostsRule),
    vmIds: await idsOf(options.vm, (vm) => findVm(client, vm)),
    hostIds: await idsOf(options.host, (host) => findHost(client, host)),
    vmLabels: listOf(options.vmLabel),
    hostLabels: listOf(options.hostLabel),
  };
  const said = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  if (Object.keys(said).length === 0) throw new UsageError('nothing to change; --help tells what can be');
  return said as UpdateAffinityGroup;
}

async function findGroup(client: DroverClient, clusterName: string | undefined, name: string) {
  const { id: clusterId } = await findCluster(client, clusterName);
  const groups = await all((cursor) => client.affinityGroups.list({ cursor, clusterId }));
  const found = groups.find((group) => group.name === name || group.id === name);
  if (!found) throw new NotFound(`there is no affinity group ${name}`);
  return found;
}

export function affinityCommands(program: Command): void {
  const affinity = program.command('affinity').description('which VMs run together, apart, or on which hosts');
  affinity
    .command('list [cluster]', { isDefault: true })
    .description('affinity groups, and who breaks them now')
    .action((name: string | undefined, _options, command: Command) =>
      show(command, async (client) => {
        const { id: clusterId } = await findCluster(client, name);
        const value = await all((cursor) => client.affinityGroups.list({ cursor, clusterId }));
        return { value, text: groupsText(value) };
      }),
    );
  affinity
    .command('create <name>')
    .description('such as: create db --vms apart --vm-label db --hosts on --host-label ssd')
    .option('--cluster <cluster>', 'where it belongs')
    .option('--vms <how>', 'the VMs run together, or apart')
    .option('--hosts <how>', 'the VMs run on these hosts, or off them')
    .option('--vm <vm...>', 'its VMs', [])
    .option('--vm-label <label...>', 'all VMs with one of these labels', [])
    .option('--host <host...>', 'its hosts', [])
    .option('--host-label <label...>', 'all hosts with one of these labels', [])
    .option('--soft', 'the rules are wishes, not orders')
    .option('--priority <n>', 'of soft rules the higher wins', wholeNumber, 1)
    .option('--check', 'only tells who would break its rules now, and which rules it contradicts')
    .action((name: string, options: CreateOptions, command: Command) =>
      change<AffinityGroupView | AffinityCheck>(command, async (client) => {
        const isSoft = options.soft === true;
        const vmsRule = ruleOf(options.vms, ['together', 'apart'], isSoft);
        const hostsRule = ruleOf(options.hosts, ['on', 'off'], isSoft);
        if (!vmsRule && !hostsRule) throw new UsageError('a group needs a rule: give --vms or --hosts');
        const group = {
          clusterId: (await findCluster(client, options.cluster)).id,
          name,
          priority: options.priority,
          vmsRule,
          hostsRule,
          vmIds: await Promise.all(options.vm.map(async (vm) => (await findVm(client, vm)).id)),
          hostIds: await Promise.all(options.host.map(async (host) => (await findHost(client, host)).id)),
          vmLabels: options.vmLabel,
          hostLabels: options.hostLabel,
        };
        if (options.check) {
          const value = await client.affinityGroups.check(group);
          return { value, text: checkText(value) };
        }
        const value = await client.affinityGroups.create(group);
        return { value, text: groupsText([value]) };
      }),
    );
  affinity
    .command('update <name>')
    .description('what is given; the rest stays. Members that are given take the place of those before')
    .option('--cluster <cluster>', 'where it belongs')
    .option('--rename <name>', 'what it is called from now on')
    .option('--vms <how>', 'the VMs run together, or apart, or have no such rule (none)')
    .option('--hosts <how>', 'the VMs run on these hosts, or off them, or have no such rule (none)')
    .option('--vm [vm...]', 'its VMs; without any: none is named')
    .option('--vm-label [label...]', 'labels of its VMs; without any: none')
    .option('--host [host...]', 'its hosts; without any: none is named')
    .option('--host-label [label...]', 'labels of its hosts; without any: none')
    .option('--soft', 'the rules are wishes')
    .option('--hard', 'the rules are orders')
    .option('--priority <n>', 'of soft rules the higher wins', wholeNumber)
    .option('--check', 'only tells who would break its rules then, and which rules it would contradict')
    .action((name: string, options: UpdateOptions, command: Command) =>
      change<AffinityGroupView | AffinityCheck>(command, async (client) => {
        const group = await findGroup(client, options.cluster, name);
        const changes = await changesOf(client, options, group);
        if (options.check) {
          const { clusterId } = group;
          const value = await client.affinityGroups.check({ ...AffinityGroup.parse(group), clusterId, ...changes });
          return { value, text: checkText(value) };
        }
        const value = await client.affinityGroups.update(group.id, changes);
        return { value, text: groupsText([value]) };
      }),
    );
  affinity
    .command('delete <name>')
    .description('its rules hold no longer')
    .option('--cluster <cluster>', 'where it belongs')
    .action((name: string, options: { cluster?: string }, command: Command) =>
      change(command, async (client) => {
        const group = await findGroup(client, options.cluster, name);
        await client.affinityGroups.remove(group.id);
        return { value: group, text: `affinity group ${group.name} is deleted` };
      }),
    );
}
