import { exitCodeOf, explain } from './failure.js';
import { buildProgram } from './program.js';

/** What `drover` does with these arguments; its exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    const line = explain(error);
    if (line) console.error(`drover: ${line}`);
    return exitCodeOf(error);
  }
}
