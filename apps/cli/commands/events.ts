import type { Command } from 'commander';
import type { EventView } from '#contracts';
import { connect, type ConnectionOptions } from '../connection.js';
import { answer } from '../output.js';

const lineOf = (event: EventView) =>
  `${event.at}  ${event.severity.padEnd(7)}  ${event.type.padEnd(22)}  ${event.message}`;

async function follow(options: ConnectionOptions & { json?: boolean }): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  for await (const message of connect(options).events.stream({ signal: stop.signal }))
    if (message.kind === 'event') console.log(options.json ? JSON.stringify(message.data) : lineOf(message.data));
}

export function eventCommands(program: Command): void {
  program
    .command('events')
    .description('what happened, the newest last')
    .option('-f, --follow', 'goes on as more happens')
    .option('--severity <severity>', 'info, warning or error only')
    .option('--limit <n>', 'how many at most', '50')
    .action(
      async (options: { follow?: boolean; severity?: EventView['severity']; limit: string }, command: Command) => {
        await answer(command, async (client) => {
          const { items } = await client.events.list({ severity: options.severity, limit: Number(options.limit) });
          const value = items.toReversed();
          return { value, text: value.map(lineOf).join('\n') };
        });
        if (options.follow) await follow(command.optsWithGlobals());
      },
    );
}
