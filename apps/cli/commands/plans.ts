import { type Command, InvalidArgumentError } from 'commander';
import { PlanStatus, type PlanView } from '#contracts';
import { limit, oneOf } from '../arguments.js';
import { findCluster, first } from '../lookup.js';
import { change, show } from '../output.js';
import { policyOf } from '../policy.js';
import { ago, table } from '../table.js';

/** A plan as people read it: what moves and why, and what does not and why. */
function planText(plan: PlanView): string {
  const isTried = plan.kind === 'dry_run';
  const moves = plan.moves.map((m, position) => [
    position,
    m.vmName,
    m.sourceHostName,
    m.destinationHostName,
    Number(m.gain.toFixed(1)),
    m.waitsFor.join(', '),
    ...(isTried ? [] : [stateText(m)]),
    m.reason,
  ]);
  const heading = ['MOVE', 'VM', 'FROM', 'TO', 'GAIN', 'WAITS FOR', ...(isTried ? [] : ['STATE']), 'REASON'];
  const hostActions = plan.hostActions.map((h) => [h.hostName, h.action, h.savedWatts, h.reason]);
  const refusals = plan.refusals.map((r) => [r.vmName ?? '-', r.hostName ?? 'anywhere', r.reason]);
  return [
    ...(plan.status === null ? [] : [`${plan.status}${plan.statusReason === '' ? '' : `: ${plan.statusReason}`}`]),
    plan.summary,
    `imbalance ${plan.imbalanceBefore.toFixed(1)} -> ${plan.imbalanceAfter.toFixed(1)}`,
    ...(moves.length > 0 ? ['', table(heading, moves)] : []),
    ...(hostActions.length > 0 ? ['', table(['HOST', 'ACTION', 'SAVES W', 'REASON'], hostActions)] : []),
    ...(refusals.length > 0 ? ['', table(['VM', 'NOT TO', 'REASON'], refusals)] : []),
  ].join('\n');
}

function stateText({ state, decidedBy, stateReason }: PlanView['moves'][number]): string {
  const by = decidedBy === null ? '' : ` by ${decidedBy}`;
  return `${state}${by}${stateReason === '' ? '' : ` (${stateReason})`}`;
}

interface DecisionOptions {
  readonly move: readonly number[];
  readonly reason?: string;
}

function moveNumber(text: string, before: readonly number[]): number[] {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("give a move's number, such as 0.");
  return [...before, value];
}

const bodyOf = ({ move, reason }: DecisionOptions) => ({ moves: move.length > 0 ? [...move] : undefined, reason });

export function planCommands(program: Command): void {
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

  const plans = program.command('plans').description('plans of the policies, and those that wait for approval');
  plans
    .command('list', { isDefault: true })
    .description('the newest first')
    .addOption(oneOf('--status <status>', 'only these', PlanStatus))
    .addOption(limit())
    .action((options: { status?: PlanStatus; limit: number }, command: Command) =>
      show(command, async (client) => {
        const value = await first(options.limit, (page) => client.plans.list({ ...page, status: options.status }));
        const now = Date.now();
        const rows = value.map((p) => [p.id, p.status ?? 'dry run', p.moves.length, ago(p.createdAt, now), p.summary]);
        return { value, text: table(['ID', 'STATUS', 'MOVES', 'AGE', 'SUMMARY'], rows) };
      }),
    );
  plans
    .command('show <id>')
    .description('its moves with their states, and what was refused')
    .action((id: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.plans.get(id);
        return { value, text: planText(value) };
      }),
    );
  for (const verb of ['approve', 'reject'] as const)
    plans
      .command(`${verb} <id>`)
      .description(verb === 'approve' ? 'its moves are made' : 'its moves are not made, and not proposed for a while')
      .option('--move <n>', 'only this one; may be given several times', moveNumber, [])
      .option('--reason <text>', 'kept with the decision')
      .action((id: string, options: DecisionOptions, command: Command) =>
        change(command, async (client) => {
          const value = await client.plans[verb](id, bodyOf(options));
          return { value, text: planText(value) };
        }),
      );
}
