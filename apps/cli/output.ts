/** What a command prints: JSON for programs, text for people, again and again with --watch. */
import type { Command } from 'commander';
import type { DroverClient } from '#client';
import { connect, type ConnectionOptions } from './connection.js';

interface OutputOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly watch?: boolean | string;
}

/** What was found or done, and how people read it. */
export interface Answer<T> {
  readonly value: T;
  readonly text: string;
}

const WATCH_SECONDS = 2;
const CLEAR_SCREEN = '\x1b[H\x1b[2J';

/** Runs `action` with a client for the command's options, and prints what it answers. */
export async function answer<T>(command: Command, action: (client: DroverClient) => Promise<Answer<T>>): Promise<void> {
  const options = command.optsWithGlobals<OutputOptions>();
  const client = connect(options);
  const show = async () => {
    const { value, text } = await action(client);
    return options.json ? JSON.stringify(value, null, options.watch ? undefined : 2) : text;
  };
  if (!options.watch) return console.log(await show());
  const seconds = options.watch === true ? WATCH_SECONDS : Number(options.watch);
  for (;;) {
    const text = await show();
    console.log(options.json || !process.stdout.isTTY ? text : CLEAR_SCREEN + text);
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}
