import type { Command } from 'commander';
import { type EventView, Severity } from '#contracts';
import { limit, oneOf } from '../arguments.js';
import { connect, type ConnectionOptions } from '../connection.js';
import { first } from '../lookup.js';
import { refuseWatch, show } from '../output.js';
import { plain } from '../table.js';

interface EventOptions {
  readonly follow?: boolean;
  readonly severity?: Severity;
  readonly limit: number;
}

const lineOf = (event: EventView) =>
  `${event.at}  ${event.severity.padEnd(7)}  ${event.type.padEnd(30)}  ${plain(event.message)}`;

/** The last events, then each that comes, none left out between the two; a line of JSON for each with --json. */
async function follow(options: EventOptions & ConnectionOptions & { json?: boolean }): Promise<void> {
  const client = connect(options);
  const { severity } = options;
  const print = (event: EventView) => console.log(options.json ? JSON.stringify(event) : lineOf(event));
  const past = await first(options.limit, (page) => client.events.list({ severity, ...page }));
  past.toReversed().forEach(print);
  const { signal } = new AbortController();
  for await (const { kind, data } of client.events.stream({ signal, lastEventId: past[0]?.id }))
    if (kind === 'event' && (!severity || data.severity === severity)) print(data);
}

export function eventCommands(program: Command): void {
  program
    .command('events')
    .description('what happened, the newest last')
    .option('-f, --follow', 'goes on as more happens; with --json a line for each event')
    .addOption(oneOf('--severity <severity>', 'only these', Severity))
    .addOption(limit())
    .action(async (options: EventOptions, command: Command) => {
      if (options.follow) {
        refuseWatch(command);
        return follow(command.optsWithGlobals());
      }
      await show(command, async (client) => {
        const { severity } = options;
        const value = (await first(options.limit, (page) => client.events.list({ severity, ...page }))).toReversed();
        return { value, text: value.map(lineOf).join('\n') };
      });
    });
}
