/** `drover vms history | predict | policy | migrate`: what a VM's moves were, would take, and are governed by. */
import type { Command } from 'commander';
import { limit } from '../arguments.js';
import { findMigrationPolicy, findVm, first, hostIdOf } from '../lookup.js';
import { meansText } from '../means.js';
import { change, show } from '../output.js';
import { ms, record, table } from '../table.js';

const shareText = (share: number | null) => (share === null ? 'not sampled' : `to ${Math.round(share * 100)} %`);

export function vmMigrationCommands(vms: Command): void {
  vms
    .command('history <vm>')
    .description('all its migrations, over every host that it has ever been on')
    .addOption(limit())
    .action((name: string, options: { limit: number }, command: Command) =>
      show(command, async (client) => {
        const { id } = await findVm(client, name);
        const value = await first(options.limit, (page) => client.vms.migrations(id, page));
        const rows = value.map((m) => [
          m.ordinal,
          m.sourceHostName,
          m.destinationHostName,
          m.status,
          ms(m.totalMs),
          ms(m.downtimeMs),
          m.means.map((each) => meansText(each)).join(', '),
          m.versions?.sourceAgent,
          m.versions?.destinationAgent,
          m.id,
        ]);
        const heading = ['#', 'FROM', 'TO', 'STATUS', 'TOTAL', 'DOWNTIME', 'MEANS', 'FROM VERSION', 'TO VERSION', 'ID'];
        return { value, text: table(heading, rows) };
      }),
    );

  vms
    .command('predict <vm>')
    .description('what moving it would take, measured now')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const { id } = await findVm(client, name);
        const value = await client.vms.migrationPrediction(id);
        const text = record({
          time: value.totalMs === null ? 'would not end' : ms(value.totalMs),
          downtime: ms(value.downtimeMs),
          transferred: value.transferredMiB === null ? null : `${value.transferredMiB.toFixed(1)} MiB`,
          means: value.means.map((each) => meansText(each)).join(', ') || 'none needed',
          'dirty rate': `${value.dirtyRateMiBps.toFixed(1)} MiB/s`,
          'page compressed': shareText(value.compressedShare),
          'page changes': shareText(value.deltaShare),
          bandwidth: `${value.bandwidthMiBps.toFixed(1)} MiB/s (${value.bandwidthFrom})`,
          'memory used': `${value.usedMiB.toFixed(1)} MiB`,
          reason: value.reason,
        });
        return { value, text };
      }),
    );

  vms
    .command('policy <vm> [policy]')
    .description("migration policy of its own; without one, its cluster's holds again")
    .action((name: string, policy: string | undefined, _options, command: Command) =>
      change(command, async (client) => {
        const vm = await findVm(client, name);
        const migrationPolicyId = policy === undefined ? null : (await findMigrationPolicy(client, policy)).id;
        const value = await client.vms.update(vm.id, { migrationPolicyId });
        return { value, text: `${vm.name} migrates by ${policy ?? "its cluster's policy"}` };
      }),
    );

  vms
    .command('migrate <vm>')
    .description('moves it while it runs')
    .option('--host <host>', 'where to; the scheduler chooses otherwise')
    .option('--reason <text>', 'why')
    .option('--policy <policy>', 'migration policy for this move alone')
    .action((name: string, options: { host?: string; reason?: string; policy?: string }, command: Command) =>
      change(command, async (client) => {
        const vm = await findVm(client, name);
        const destinationHostId = await hostIdOf(client, options.host);
        const value = await client.vms.migrate(vm.id, {
          destinationHostId,
          reason: options.reason,
          migrationPolicyId: options.policy && (await findMigrationPolicy(client, options.policy)).id,
        });
        return {
          value,
          text: `migration ${value.id}: ${vm.name} from ${value.sourceHostName} to ${value.destinationHostName}`,
        };
      }),
    );
}
