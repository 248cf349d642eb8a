/**
 * `npm run build`: TypeScript -> dist/, AssemblyScript (*.as.ts) -> dist/**.wasm, portal -> dist/portal.
 * Programs that are started often become one file each, since Node.js takes about half a millisecond for each file more.
 * Each step is skipped when its sources have not changed since it last succeeded.
 * `--skip-portal` leaves the portal out.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** All files below `folder` (relative to the root) that `keep` accepts, sorted. */
function files(folder, keep) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter(keep)
    .toSorted();
}

function run(what, command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`build: ${what} failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

/** Runs `action` unless the content of `sources` is what it was when the step last succeeded and `output` exists. */
async function step(name, sources, output, action) {
  const hash = createHash('sha256');
  for (const file of sources)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)));
  const digest = hash.digest('hex');
  const stamp = join(root, 'dist', '.stamps', name.replaceAll('/', '-'));
  if (existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  await action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

const isSource = (file) => /\.(ts|tsx)$/.test(file) && !file.endsWith('.as.ts') && !file.startsWith('apps/portal/');
const setUp = ['package.json', 'package-lock.json', 'tsconfig.json', 'tools/build.mjs'];
const code = ['apps', 'libs', 'migrations', 'test', 'tools'].flatMap((folder) => files(folder, isSource));
await step('typescript', [...setUp, ...code], 'dist/libs', () => run('tsc', bin('tsc'), ['-p', 'tsconfig.json']));

/** Joins each entry of a folder with all that it imports of ours, in place of what tsc made of it; packages stay outside. */
const bundle = (folder, entries) => () =>
  build({
    cwd: root,
    input: Object.fromEntries(entries.map((entry) => [entry, `./${folder}/${entry}.ts`])),
    platform: 'node',
    external: (id) => !/^[./#]/.test(id),
    resolve: { conditionNames: ['drover-source'], extensionAlias: { '.js': ['.ts'] } },
    output: { dir: join('dist', folder), format: 'es', sourcemap: true, chunkFileNames: 'part-[name].js' },
  });
const vmm = files('apps/vmm', (file) => /^apps.vmm.(main|.*-worker)\.ts$/.test(file)).map((file) =>
  basename(file, '.ts'),
);
await step('bundle-vmm', [...setUp, ...code], 'dist/apps/vmm/main.js', bundle('apps/vmm', vmm));
await step('bundle-cli', [...setUp, ...code], 'dist/apps/cli/main.js', bundle('apps/cli', ['main']));

// Each module twice, for memories with 32-bit and with 64-bit addresses: X.wasm and X64.wasm.
const ADDRESSES = [
  { suffix: '', options: '--maximumMemory 65536' },
  { suffix: '64', options: '--maximumMemory 262144 --enable memory64 --transform ./tools/wasm64.mjs' },
];

// An entry is the .as.ts file that has the name of its folder, or the only one there; the others are its parts.
const assembly = files('libs', (file) => file.endsWith('.as.ts'));
for (const folder of new Set(assembly.map((file) => dirname(file)))) {
  const parts = [...assembly.filter((file) => dirname(file) === folder), ...files(folder, isSource)];
  const name = folder.split('/').at(-1);
  const entry = join(folder, `${name}.as.ts`);
  const shared = files(dirname(folder), (file) => file.endsWith('layout.ts'));
  for (const { suffix, options } of ADDRESSES) {
    const output = join('dist', folder, `${name}${suffix}.wasm`);
    const sources = [...setUp, 'tools/wasm64.mjs', ...parts, ...shared];
    await step(`wasm${suffix}-${folder}`, sources, output, () =>
      run(
        `asc ${entry} ${options}`,
        bin('asc'),
        [
          `${entry} -o ${output} -t ${output.replace(/wasm$/, 'wat')} --importMemory --sharedMemory --initialMemory 513`,
          `${options} --runtime stub --stackSize 0 --noAssert --use abort=`,
          '--enable threads --enable simd --enable bulk-memory --exportTable -O3 --converge',
        ].flatMap((part) => part.split(' ')),
      ),
    );
  }
}

if (!process.argv.includes('--skip-portal') && existsSync(join(root, 'apps/portal/index.html'))) {
  const portal = [
    ...files('apps/portal', () => true),
    ...files('libs/contracts', isSource),
    ...files('libs/client', isSource),
  ];
  await step('portal', [...setUp, ...portal], 'dist/portal/index.html', () =>
    run('vite', bin('vite'), ['build', '--config', 'apps/portal/vite.config.ts', '--logLevel', 'warn']),
  );
}
