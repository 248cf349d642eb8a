#!/usr/bin/env node
/** `drover`: the command line of the controller's API. */
import { buildProgram } from './program.js';
import { exitCodeOf, explain } from './failure.js';

try {
  await buildProgram().parseAsync();
} catch (error) {
  const line = explain(error);
  if (line) console.error(`drover: ${line}`);
  process.exitCode = exitCodeOf(error);
}
