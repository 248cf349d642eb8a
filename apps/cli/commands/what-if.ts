import { type Command, InvalidArgumentError } from 'commander';
import type { WhatIf, WhatIfView } from '#contracts';
import { findCluster, findHost } from '../lookup.js';
import { show } from '../output.js';
import { policyOf } from '../policy.js';
import { table } from '../table.js';

type SupposedVm = WhatIf['vms'][number];

interface WhatIfOptions {
  readonly policy?: string;
  readonly without: readonly string[];
  readonly addVm: readonly SupposedVm[];
}

/** `web:2:4096`: name, vCPUs, MiB. */
function supposedVm(text: string, before: readonly SupposedVm[]): SupposedVm[] {
  const match = /^([^:]+):(\d+):(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError('give NAME:VCPUS:MIB, such as web:2:4096.');
  return [...before, { name: match[1]!, vcpus: Number(match[2]), memoryMiB: Number(match[3]) }];
}

const and = (text: string, before: readonly string[]): string[] => [...before, text];

function answerText(answer: WhatIfView): string {
  const { placements, moves, hostActions, refusals, wattsBefore, wattsAfter } = answer;
  const section = (head: string[], rows: (string | number | null)[][]) =>
    rows.length > 0 ? ['', table(head, rows)] : [];
  return [
    answer.summary,
    `imbalance ${answer.imbalanceBefore.toFixed(1)} -> ${answer.imbalanceAfter.toFixed(1)}`,
    wattsBefore === null || wattsAfter === null
      ? 'power: not known, because the power curve of a host is not'
      : `power ${wattsBefore.toFixed(0)} W -> ${wattsAfter.toFixed(0)} W`,
    ...section(
      ['NEW VM', 'STARTS ON', 'REASON'],
      placements.map(({ vmName, hostName, reason }) => [vmName, hostName ?? 'no host', reason]),
    ),
    ...section(
      ['VM', 'FROM', 'TO', 'REASON'],
      moves.map(({ vmName, sourceHostName, destinationHostName, reason }) => [
        vmName,
        sourceHostName,
        destinationHostName,
        reason,
      ]),
    ),
    ...section(
      ['HOST', 'ACTION', 'REASON'],
      hostActions.map(({ hostName, action, reason }) => [hostName, action, reason]),
    ),
    ...section(
      ['VM', 'NOT TO', 'REASON'],
      refusals.map(({ vmName, hostName, reason }) => [vmName, hostName ?? 'anywhere', reason]),
    ),
  ].join('\n');
}

export function whatIfCommand(program: Command): void {
  program
    .command('what-if [cluster]')
    .description(
      'what the planner would do with another policy, without some hosts, or with more VMs; nothing is moved',
    )
    .option('--policy <name>', 'with this policy and its defaults, instead of the one that is set')
    .option('--without <host>', 'as if this host were taken away; may be given several times', and, [])
    .option('--add-vm <name:vcpus:MiB>', 'as if this VM were started; may be given several times', supposedVm, [])
    .action((name: string | undefined, { policy, without, addVm }: WhatIfOptions, command: Command) =>
      show(command, async (client) => {
        const cluster = await findCluster(client, name);
        const hosts = await Promise.all(without.map((host) => findHost(client, host)));
        const value = await client.clusters.whatIf(cluster.id, {
          ...(policy === undefined ? {} : { schedulingPolicy: policyOf(policy, {}) }),
          withoutHostIds: hosts.map(({ id }) => id),
          vms: [...addVm],
        });
        return { value, text: answerText(value) };
      }),
    );
}
