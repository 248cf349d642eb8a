/** `npm run lint`: types, linter, house plan, dead code, format. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, setUp } from './set-up.mjs';

setUp();
const bin = (name) => join(root, 'node_modules', '.bin', name);
run(bin('tsc'), ['-p', 'tsconfig.json', '--noEmit']);
if (existsSync(join(root, 'apps/portal/tsconfig.json'))) run(bin('tsc'), ['-p', 'apps/portal', '--noEmit']);
run(bin('oxlint'), ['--deny-warnings']);
run(bin('depcruise'), ['apps', 'libs', 'migrations', 'tools']);
run(bin('knip'), []);
run(bin('prettier'), ['--check', '--log-level', 'warn', '.']);
