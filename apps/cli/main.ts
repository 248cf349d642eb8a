#!/usr/bin/env node
/** `drover`: the command line of the controller's API. */
import { buildProgram } from './program.js';
import { exitCodeOf, explain } from './failure.js';

// A reader that has seen enough (`drover events | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  await buildProgram().parseAsync();
} catch (error) {
  const line = explain(error);
  if (line) console.error(`drover: ${line}`);
  process.exitCode = exitCodeOf(error);
}
