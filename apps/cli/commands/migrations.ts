import type { Command } from 'commander';
import { type MigrationDetail, MigrationStatus, type MigrationView } from '#contracts';
import { limit, oneOf } from '../arguments.js';
import { NotFound } from '../failure.js';
import { findHost, findVm, first, UUID } from '../lookup.js';
import { change, show } from '../output.js';
import { candidatesTable, meansText } from '../means.js';
import { ago, mib, ms, record, table } from '../table.js';

const rowOf = (m: MigrationView) => [
  m.id,
  m.vmName,
  m.sourceHostName,
  m.destinationHostName,
  m.status,
  mib(m.progress?.remainingBytes),
  ms(m.totalMs),
  ms(m.downtimeMs),
  ago(m.createdAt, Date.now()),
  m.error?.message ?? m.reason,
];

const PAGE_BYTES = 4096;

/** Pages that the destination had already. */
const savedText = (pages = 0): string | null =>
  pages > 0 ? `${pages} pages (${mib(pages * PAGE_BYTES)}), which were there from an earlier stay` : null;

/** What was sent, and what means made of it. */
function sentOf({ progress }: MigrationDetail): Record<string, string | null> {
  const { xbzrle, compression, multifdBytes = 0 } = progress ?? {};
  return {
    transferred: mib(progress?.transferredBytes),
    ...(xbzrle && {
      '  xbzrle': `${xbzrle.pages} pages as ${mib(xbzrle.bytes)} of deltas; ${xbzrle.misses} were not in the cache`,
    }),
    ...(compression && {
      '  compression': `${compression.pages} pages (${mib(compression.pages * PAGE_BYTES)}) as ${mib(compression.bytes)}`,
    }),
    ...(multifdBytes > 0 && { '  multifd': `${mib(multifdBytes)} on connections for pages alone` }),
    remaining: mib(progress?.remainingBytes),
    saved: savedText(progress?.savedPages),
  };
}

function detailText(m: MigrationDetail): string {
  const head = record({
    id: m.id,
    vm: `${m.vmName} (migration ${m.ordinal} of its life)`,
    from: m.sourceHostName,
    to: m.destinationHostName,
    status: m.status,
    trigger: m.trigger,
    reason: m.reason,
    error: m.error && `${m.error.code} in ${m.error.phase} at the ${m.error.side}: ${m.error.message}`,
    total: ms(m.totalMs),
    downtime: ms(m.downtimeMs),
    ...Object.fromEntries(
      Object.entries(m.downtimeBreakdown ?? {}).map(([part, value]) => [`  ${part.replace(/Ms$/, '')}`, ms(value)]),
    ),
    ...sentOf(m),
  });
  const passes = m.iterations.map((i) => [
    i.iteration,
    i.pages,
    i.zeroPages,
    mib(i.bytes),
    ms(i.durationMs),
    i.bandwidthMiBps.toFixed(1),
    i.dirtyRateMiBps.toFixed(1),
    mib(i.remainingBytes),
    ms(i.expectedDowntimeMs),
  ]);
  const heading = ['PASS', 'PAGES', 'ZERO', 'SENT', 'TIME', 'MIB/S', 'DIRTY MIB/S', 'REMAINING', 'EXPECTED DOWNTIME'];
  const decisions = m.decisions.map((d) => [
    d.at,
    d.by,
    meansText(d),
    d.restarted ? 'begun anew' : (d.failure ?? 'applied'),
    d.reason,
  ]);
  const timeline = m.timeline.map((t) => [t.at, t.status, t.message]);
  const parts = [
    head,
    table(heading, passes),
    ...(decisions.length > 0
      ? [table(['AT', 'BY', 'MEANS', 'OUTCOME', 'WHY'], decisions), candidatesTable(m.decisions)]
      : []),
    table(['AT', 'STATUS', 'WHAT'], timeline),
  ];
  return parts.join('\n\n');
}

/** Migrations have no names. */
function migrationId(text: string): string {
  if (!UUID.test(text)) throw new NotFound(`there is no migration ${text}; 'drover migrations' shows their ids`);
  return text;
}

export function migrationCommands(program: Command): void {
  const migrations = program.command('migrations').description('live migrations, running and past');
  migrations
    .command('list', { isDefault: true })
    .description('the newest first')
    .option('--vm <vm>', 'of this VM')
    .option('--host <host>', 'from or to this host')
    .addOption(oneOf('--status <status>', 'in this status', MigrationStatus))
    .addOption(limit())
    .action((options: { vm?: string; host?: string; status?: MigrationStatus; limit: number }, command: Command) =>
      show(command, async (client) => {
        const vmId = options.vm && (await findVm(client, options.vm)).id;
        const hostId = options.host && (await findHost(client, options.host)).id;
        const { status } = options;
        const items = await first(options.limit, (page) => client.migrations.list({ vmId, hostId, status, ...page }));
        const heading = ['ID', 'VM', 'FROM', 'TO', 'STATUS', 'REMAINING', 'TOTAL', 'DOWNTIME', 'AGE', 'REASON'];
        return { value: items, text: table(heading, items.map(rowOf)) };
      }),
    );
  migrations
    .command('show <id>')
    .description('one migration: passes, downtime, timeline')
    .action((id: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.migrations.get(migrationId(id));
        return { value, text: detailText(value) };
      }),
    );
  migrations
    .command('log <id>')
    .description('what controller, agents and VMMs had to say of it')
    .action((id: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.migrations.log(migrationId(id));
        const rows = value.lines.map((l) => [l.at, l.side, l.from, l.level, l.message]);
        return { value, text: table(['AT', 'SIDE', 'FROM', 'LEVEL', 'MESSAGE'], rows) };
      }),
    );
  migrations
    .command('cancel <id>')
    .description('cancels it; the VM runs on at the source')
    .action((id: string, _options, command: Command) =>
      change(command, async (client) => {
        const value = await client.migrations.cancel(migrationId(id));
        return { value, text: `migration ${value.id} of ${value.vmName}: ${value.status}` };
      }),
    );
}
