/** What must be there before anything else runs: a Node.js that is new enough, dependencies, a build. No imports from npm. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const MINIMUM_NODE = [20, 19];

export function fail(sentence) {
  console.error(`drover: ${sentence}`);
  process.exit(1);
}

/** Runs a command in the project's folder; on failure says what failed and exits. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error && error.code === 'ENOENT') fail(`${command} was not found; install it and try again.`);
  if (signal) process.exit(130);
  if (status !== 0)
    fail(`${[command, ...args].join(' ')} failed${error ? `: ${error.message}` : ` with status ${status}`}.`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(`Node.js ${process.versions.node} is too old; install Node.js ${MINIMUM_NODE.join('.')} or newer.`);
}

/** Installs when the lock or the platform differ from what was installed last. */
function ensureDependencies() {
  const stamp = join(root, 'node_modules', '.drover-installed');
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.versions.modules}`);
  for (const file of ['package.json', 'package-lock.json']) hash.update(readFileSync(join(root, file)));
  const digest = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  console.error('drover: installing dependencies (npm install) ...');
  // `npm install`, not `npm ci`: a lock written on one platform lacks the optional packages of others.
  run('npm', ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(stamp, digest);
}

/** Checks Node.js, installs dependencies if needed, builds if sources changed. */
export function setUp({ quiet = true } = {}) {
  checkNode();
  ensureDependencies();
  if (!quiet) console.error('drover: building ...');
  run(process.execPath, ['tools/build.mjs']);
}
