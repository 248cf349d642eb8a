import type { Command } from 'commander';
import type { EnergyView } from '#contracts';
import { findCluster } from '../lookup.js';
import { show } from '../output.js';
import { table } from '../table.js';

const kWh = (value: number): string => value.toFixed(3);

function energyText({ days, usedKWh, savedKWh, from, to }: EnergyView): string {
  const rows = days.map((day) => [
    ...[day.day, day.hostName, kWh(day.usedKWh), kWh(day.savedKWh)],
    ...[day.onHours.toFixed(1), day.offHours.toFixed(1), day.measuredKWh > 0 ? 'BMC' : 'power curve'],
  ]);
  const whole = `${from} to ${to}: ${kWh(usedKWh)} kWh used, ${kWh(savedKWh)} kWh saved`;
  return `${table(['DAY', 'HOST', 'USED KWH', 'SAVED KWH', 'ON H', 'OFF H', 'KNOWN BY'], rows)}\n\n${whole}`;
}

interface EnergyOptions {
  readonly cluster?: string;
  readonly from?: string;
  readonly to?: string;
}

export function energyCommand(program: Command): void {
  program
    .command('energy')
    .description('what hosts have drawn, and what switching them off has saved, by day (UTC) and host')
    .option('--cluster <cluster>', 'its hosts alone')
    .option('--from <day>', 'such as 2024-05-31; seven days ago by default')
    .option('--to <day>', 'today by default')
    .action(({ cluster, from, to }: EnergyOptions, command: Command) =>
      show(command, async (client) => {
        const clusterId = cluster === undefined ? undefined : (await findCluster(client, cluster)).id;
        const value = await client.energy({ clusterId, from, to });
        return { value, text: energyText(value) };
      }),
    );
}
