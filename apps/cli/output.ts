/** What a command prints: JSON for programs, text for people; what only looks does so again and again with --watch. */
import type { Command } from 'commander';
import type { DroverClient } from '#client';
import { connect, type ConnectionOptions } from './connection.js';
import { UsageError } from './failure.js';

interface OutputOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly watch?: true | number;
}

/** What was found or done, and how people read it. */
interface Answer<T> {
  readonly value: T;
  readonly text: string;
}

const WATCH_SECONDS = 2;
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

type Action<T> = (client: DroverClient) => Promise<Answer<T>>;

/** Runs `action`, which changes nothing, with a client for the command's options, and prints what it found. */
export async function show<T>(command: Command, action: Action<T>): Promise<void> {
  const options = command.optsWithGlobals<OutputOptions>();
  const client = connect(options);
  const look = async () => {
    const { value, text } = await action(client);
    return options.json ? JSON.stringify(value, null, options.watch ? undefined : 2) : text;
  };
  if (!options.watch) return console.log(await look());
  const seconds = options.watch === true ? WATCH_SECONDS : options.watch;
  for (;;) {
    const text = await look();
    console.log(options.json || !process.stdout.isTTY ? text : CLEAR_SCREEN + text);
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

/** Runs `action`, which changes something, once, and prints what came of it. */
export async function change<T>(command: Command, action: Action<T>): Promise<void> {
  refuseWatch(command);
  await show(command, action);
}

export function refuseWatch(command: Command): void {
  if (command.optsWithGlobals<OutputOptions>().watch)
    throw new UsageError(`${command.name()} is done once: leave out --watch`);
}
