/**
 * `npm test`: sets up what is missing, then runs all tests. Arguments go to Vitest; `--soak` runs the long tests instead,
 * `--faults` all combinations of faults in migrations.
 * The last line counts: N passed, N failed, N skipped.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { root, setUp } from './set-up.mjs';

/** Programs that only some tests need: without them those tests are skipped. */
const PROGRAMS = {
  'qemu-system-riscv64': 'qemu-system-misc',
  'qemu-ga': 'qemu-guest-agent',
  'redis-server': 'redis-server',
  chromium: 'chromium',
  nbdinfo: 'libnbd-bin',
  'qemu-nbd': 'qemu-utils',
  fence_ipmilan: 'fence-agents',
  ipmi_sim: 'openipmi',
  ipmitool: 'ipmitool',
  'riscv64-linux-gnu-gcc': 'gcc-riscv64-linux-gnu',
};

/** Files that only some tests need, by package: any one of them will do. */
const FILES = {
  opensbi: [
    '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin',
    '/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin',
  ],
};

/** With a slow network the first run goes on without the Linux guest. */
const GUEST_TIMEOUT_MS = 90_000;

function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What is not there, by Debian package. */
function missingPackages() {
  const programs = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  const files = Object.entries(FILES).filter(([, places]) => !places.some((place) => existsSync(place)));
  return [
    ...programs.map(([program, name]) => ({ name, what: program })),
    ...files.map(([name, [place]]) => ({ name, what: place })),
  ];
}

function installPackages() {
  const missing = missingPackages().map(({ name }) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && isInstalled('apt-get')) {
    console.error(`drover: installing ${missing.join(', ')} (apt-get) ...`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options = { stdio: ['ignore', 'ignore', 'inherit'], env };
    spawnSync('apt-get', ['update', '-qq'], options);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], options);
  }
  for (const { name, what } of missingPackages())
    console.error(`drover: ${what} is not installed (Debian package ${name}); the tests that need it are skipped.`);
}

/** Fetches the Linux guest, where that is possible in reasonable time; without it the tests of Linux are skipped. */
function fetchGuest() {
  const drover = [join(root, 'dist/apps/cli/main.js'), 'guest', 'fetch'];
  const options = { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], timeout: GUEST_TIMEOUT_MS };
  const { status } = spawnSync(process.execPath, drover, options);
  if (status !== 0) console.error('drover: there is no Linux guest (drover guest fetch); its tests are skipped.');
}

setUp();
installPackages();
fetchGuest();

/** Which tests are run instead of the usual ones. */
const OTHERS = { '--soak': { DROVER_SOAK: '1' }, '--faults': { DROVER_FAULTS: '1' } };
const wanted = Object.keys(OTHERS).filter((option) => process.argv.includes(option));
/** All temporary files of this run, by which its processes are known too. The name is short: it begins the paths of sockets. */
const folder = mkdtempSync(join(tmpdir(), 'drover-'));
chmodSync(folder, 0o755); // PostgreSQL and VMs run as other users when the tests run as root
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined); // Vitest ends, then what it left is ended here
const report = join(folder, 'report.json');
const { status } = spawnSync(
  join(root, 'node_modules', '.bin', 'vitest'),
  [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2).filter((argument) => !(argument in OTHERS)),
  ],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: Object.assign({}, process.env, { TMPDIR: folder }, ...wanted.map((option) => OTHERS[option])),
  },
);
const { endProcessesOf } = await import(join(root, 'dist/tools/leftovers.js'));
for (const { pid, command } of endProcessesOf(folder)) console.log(`was left behind, and is ended: ${pid} ${command}`);
if (!existsSync(report)) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  console.log('the tests did not end');
  process.exit(1);
}
const { numPassedTests, numFailedTests, numPendingTests, success, testResults } = JSON.parse(
  readFileSync(report, 'utf8'),
);
rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
for (const { name, status: result, message, assertionResults } of testResults) {
  if (result === 'failed' && message) console.log(`failed: ${relative(root, name)}: ${message.split('\n')[0]}`);
  for (const { fullName, status: outcome } of assertionResults)
    if (outcome === 'failed') console.log(`failed: ${relative(root, name)}: ${fullName}`);
}
console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
process.exit(status === 0 && success ? 0 : 1);
