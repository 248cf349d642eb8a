import { type Command, InvalidArgumentError } from 'commander';
import type { DroverClient } from '#client';
import {
  BlockedChoice,
  type HostHealth,
  type MaintenanceProcedure,
  type MaintenanceReport,
  type MaintenanceRunView,
  RolloutStop,
} from '#contracts';
import { oneOf, wholeNumber } from '../arguments.js';
import { NotFound, UsageError } from '../failure.js';
import { all, findCluster, findHost, findVm, UUID } from '../lookup.js';
import { change, show } from '../output.js';
import { record, table } from '../table.js';
import { maintenancePolicyCommands } from './maintenance-policies.js';

const seconds = (value: number | null) => (value === null ? '-' : `${Math.round(value)} s`);

const runsText = (runs: readonly MaintenanceRunView[]) =>
  table(
    ['HOST', 'PHASE', 'GROUP', 'VMS GONE', 'ETA', 'POLICY', 'WHY', 'NOW'],
    runs.map((run) => [
      run.hostName,
      run.phase,
      run.group,
      `${run.progress.vmsGone}/${run.progress.vmsTotal}`,
      seconds(run.progress.etaSeconds),
      run.policyName,
      run.reason,
      run.phaseReason,
    ]),
  );

function runText(run: MaintenanceRunView): string {
  const about = record({
    host: run.hostName,
    id: run.id,
    phase: run.phase,
    now: run.phaseReason,
    why: run.reason,
    policy: run.policyName && `${run.policyName} (version ${run.policyVersion})`,
    group: run.group,
    'vms gone': `${run.progress.vmsGone} of ${run.progress.vmsTotal}`,
    eta: seconds(run.progress.etaSeconds),
    command: run.command && `${run.command.status} ${run.command.output}`,
  });
  const vms = table(
    ['VM', 'STATE', 'FAILED MOVES', 'IF BLOCKED', 'REASON'],
    run.vms.map((vm) => [vm.vmName, vm.state, vm.attempts, vm.choice ?? run.procedure.onBlocked, vm.reason]),
  );
  const timeline = table(
    ['AT', 'PHASE', 'WHAT'],
    run.timeline.map(({ at, phase, message }) => [at, phase, message]),
  );
  return [about, ...(run.vms.length > 0 ? [vms] : []), timeline].join('\n\n');
}

function reportText({ summary, hosts }: MaintenanceReport): string {
  const rows = hosts.flatMap(({ hostName, vms }) =>
    vms.map((vm) => [
      hostName,
      vm.vmName,
      vm.destinationHostName,
      seconds(vm.expectedSeconds),
      vm.choices.join(', '),
      vm.reason,
    ]),
  );
  return rows.length === 0
    ? summary
    : `${summary}\n\n${table(['HOST', 'VM', 'GOES TO', 'TAKES', 'CHOICES', 'REASON'], rows)}`;
}

/** The newest run of a host that has not ended, or the one of that id. */
async function findRun(client: DroverClient, name: string): Promise<MaintenanceRunView> {
  if (UUID.test(name)) return client.maintenance.run(name);
  const { id: hostId } = await findHost(client, name);
  const { items } = await client.maintenance.runs({ hostId, limit: 1 });
  if (!items[0]) throw new NotFound(`${name} has never been in maintenance by a run`);
  return items[0];
}

interface BeginOptions {
  readonly cluster?: string;
  readonly label: string[];
  readonly reason: string;
  readonly hostsAtOnce: number;
  readonly run?: string;
  readonly argument: string[];
  readonly commandTimeout?: number;
  readonly restarts?: true;
  readonly powerCycle?: true;
  readonly onBlocked: MaintenanceProcedure['onBlocked'];
  readonly choice: readonly (readonly [string, BlockedChoice])[];
  readonly blockedWait?: number;
  readonly stopRolloutOn?: RolloutStop;
  readonly maxAttempts?: number;
  readonly evacuationTimeout?: number;
  readonly stay?: true;
  readonly leaveVms?: true;
}

/** `web-1=stop`, added to those before. */
function choiceOf(text: string, before: BeginOptions['choice']): BeginOptions['choice'] {
  const at = text.lastIndexOf('=');
  const choice = BlockedChoice.safeParse(text.slice(at + 1));
  if (at < 1 || !choice.success)
    throw new InvalidArgumentError(`write VM=CHOICE; choices are ${BlockedChoice.options.join(', ')}.`);
  return [...before, [text.slice(0, at), choice.data]];
}

function actionOf({ run, argument, commandTimeout, restarts, powerCycle }: BeginOptions) {
  if (run === undefined) {
    if (argument.length > 0 || commandTimeout !== undefined || restarts)
      throw new UsageError('--argument, --command-timeout and --restarts belong to a command: name it by --run');
    return { kind: powerCycle ? ('power_cycle' as const) : ('none' as const) };
  }
  if (powerCycle) throw new UsageError('give --run or --power-cycle, not both');
  return {
    ...{ kind: 'command' as const, name: run, arguments: argument, restarts: restarts === true },
    ...(commandTimeout !== undefined && { timeoutSeconds: commandTimeout }),
  };
}

export const healthText = (health: HostHealth): string =>
  table(
    ['CHECK', 'WHICH', 'STATE', 'REASON'],
    health.checks.map(({ kind, subject, state, reason }) => [kind, subject, state, reason]),
  );

export function maintenanceCommands(program: Command): void {
  const maintenance = program.command('maintenance').description('hosts that go into maintenance by themselves');
  maintenance
    .command('list', { isDefault: true })
    .description('hosts that are on their way into maintenance or out of it')
    .option('--all', 'those that have ended too')
    .action((options: { all?: true }, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.maintenance.runs({ cursor, ...(!options.all && { active: true }) }));
        return { value, text: value.length > 0 ? runsText(value) : 'no host is on its way into maintenance' };
      }),
    );
  maintenance
    .command('show <host>')
    .description('the latest maintenance of a host (or a run by its id), VM by VM')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await findRun(client, name);
        return { value, text: runText(value) };
      }),
    );
  maintenance
    .command('report <hosts...>')
    .description('could these hosts be emptied now, all at once? Nothing moves')
    .action((names: string[], _options, command: Command) =>
      show(command, async (client) => {
        const hosts = await Promise.all(names.map((name) => findHost(client, name)));
        const value = await client.maintenance.report(
          hosts[0]!.clusterId,
          hosts.map(({ id }) => id),
        );
        return { value, text: reportText(value) };
      }),
    );
  maintenance
    .command('begin [hosts...]')
    .description('now, by hand: such as begin --label rack-1 --hosts-at-once 2 --run upgrade --reason "new kernel"')
    .requiredOption('--reason <text>', 'why, for those who find hosts empty')
    .option('--cluster <cluster>', 'where, if no host is named')
    .option('--label <label...>', 'all hosts with one of these labels', [])
    .option('--hosts-at-once <n>', 'in groups of so many', wholeNumber, 1)
    .option('--run <name>', "an executable of the hosts' maintenance.d folder")
    .option('--argument <text...>', 'what it is given', [])
    .option('--command-timeout <seconds>', 'how long it may take (3600)', wholeNumber)
    .option('--restarts', 'it restarts the host')
    .option('--power-cycle', 'switched off and on again instead, by power management')
    .addOption(oneOf('--on-blocked <choice>', 'what becomes of VMs that cannot leave', BlockedChoice).default('wait'))
    .option('--choice <vm=choice>', 'what becomes of this VM if it cannot leave; several times for more', choiceOf, [])
    .option('--blocked-wait <minutes>', 'a host whose VMs wait for so long is skipped (30)', wholeNumber)
    .addOption(oneOf('--stop-rollout-on <end>', 'of a host, after which the others do not begin', RolloutStop))
    .option('--max-attempts <n>', 'so many migrations of a VM may fail (3)', wholeNumber)
    .option('--evacuation-timeout <minutes>', 'a host that is not empty by then goes back to work (120)', wholeNumber)
    .option('--stay', 'the hosts stay in maintenance')
    .option('--leave-vms', 'VMs that had to leave do not come back')
    .action((names: string[], options: BeginOptions, command: Command) =>
      change(command, async (client) => {
        const hosts = await Promise.all(names.map((name) => findHost(client, name)));
        const clusterId = hosts[0]?.clusterId ?? (await findCluster(client, options.cluster)).id;
        if (hosts.length === 0 && options.label.length === 0 && !options.cluster)
          throw new UsageError('name hosts, or say --label, or --cluster for all of a cluster');
        const choices = await Promise.all(
          options.choice.map(async ([vm, choice]) => ({ vmId: (await findVm(client, vm)).id, choice })),
        );
        const { maxAttempts, evacuationTimeout: evacuationTimeoutMinutes, stopRolloutOn } = options;
        const { blockedWait: blockedWaitMinutes } = options;
        const value = await client.maintenance.begin({
          clusterId,
          hostIds: hosts.map(({ id }) => id),
          hostLabels: options.label,
          reason: options.reason,
          hostsAtOnce: options.hostsAtOnce,
          action: actionOf(options),
          onBlocked: options.onBlocked,
          choices,
          ...(blockedWaitMinutes && { blockedWaitMinutes }),
          ...(stopRolloutOn && { stopRolloutOn }),
          ...(maxAttempts && { maxAttempts }),
          ...(evacuationTimeoutMinutes && { evacuationTimeoutMinutes }),
          activate: !options.stay,
          returnVms: !options.leaveVms,
        });
        return { value, text: runsText(value.runs) };
      }),
    );
  for (const [verb, description] of [
    ['pause', 'nothing leaves the host any more, until resume'],
    ['resume', 'goes on'],
  ] as const)
    maintenance
      .command(`${verb} <host>`)
      .description(description)
      .action((name: string, _options, command: Command) =>
        change(command, async (client) => {
          const value = await client.maintenance[verb]((await findRun(client, name)).id);
          return { value, text: runText(value) };
        }),
      );
  maintenance
    .command('cancel <host>')
    .description('the host goes back to work, and its VMs come back')
    .option('--leave-vms', 'they stay where they are')
    .action((name: string, options: { leaveVms?: true }, command: Command) =>
      change(command, async (client) => {
        const { id } = await findRun(client, name);
        const value = await client.maintenance.cancel(id, { returnVms: !options.leaveVms });
        return { value, text: runText(value) };
      }),
    );
  maintenance
    .command('choose <host> <vm>')
    .description('what is to become of a VM that cannot leave')
    .addOption(
      oneOf(
        '--choice <choice>',
        'wait, move it anyway, stop it, or skip the host',
        BlockedChoice,
      ).makeOptionMandatory(),
    )
    .action((name: string, vmName: string, options: { choice: BlockedChoice }, command: Command) =>
      change(command, async (client) => {
        const run = await findRun(client, name);
        const vm = await findVm(client, vmName);
        const value = await client.maintenance.choose(run.id, { choices: [{ vmId: vm.id, choice: options.choice }] });
        return { value, text: runText(value) };
      }),
    );
  maintenance
    .command('request <host>')
    .description('as another system would: a policy with the trigger request decides what comes of it')
    .requiredOption('--source <name>', 'which system asks')
    .requiredOption('--reason <text>', 'why')
    .action((name: string, options: { source: string; reason: string }, command: Command) =>
      change(command, async (client) => {
        const value = await client.maintenance.request((await findHost(client, name)).id, options);
        return { value, text: runText(value) };
      }),
    );
  maintenance
    .command('calendar')
    .description('when windows are open, in the next four weeks')
    .action((_options, command: Command) =>
      show(command, async (client) => {
        const { entries: value } = await client.maintenance.calendar();
        const rows = value.map((entry) => [
          entry.startsAt,
          entry.endsAt,
          entry.policyName,
          entry.hosts.map((host) => host.name).join(', '),
        ]);
        return { value, text: table(['FROM', 'TO', 'POLICY', 'HOSTS'], rows) };
      }),
    );
  maintenancePolicyCommands(maintenance);
}
