#!/usr/bin/env node
/** `drover`: the command line of the controller's API. */
import { run } from './run.js';

// A reader that has seen enough (`drover events | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await run(process.argv.slice(2));
