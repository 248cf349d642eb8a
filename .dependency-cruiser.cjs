/** The house plan: who may import whom. A folder may import itself and what is listed; everything else fails lint. */
const only = (from, to) => ({
  name: `${from}-imports-only-${to.join('-or-') || 'itself'}`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: '^(apps|libs|migrations|tools)/', pathNot: [from, ...to].map((dir) => `^${dir}/`) },
});
/** No Node built-ins and no packages but those listed. */
const pure = (lib, ...allowed) => ({
  name: `${lib}-is-pure`,
  severity: 'error',
  from: { path: `^libs/${lib}/` },
  to: { dependencyTypes: ['core', 'npm'], pathNot: allowed.map((m) => `node_modules/${m}/`) },
});
const libs = (...names) => names.map((name) => `libs/${name}`);

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'libs-through-index-only',
      severity: 'error',
      from: { path: '^(apps|libs|migrations|tools)/([^/]+)/' },
      to: { path: '^libs/([^/]+)/', pathNot: ['^libs/[^/]+/index\\.ts$', '^libs/[^/]+/[^/]+/index\\.ts$', '^$1/$2/'] },
    },
    only('libs/contracts', []),
    only('libs/lifecycle', libs('contracts')),
    only('libs/planner', libs('contracts', 'lifecycle')),
    only('libs/maintenance', libs('contracts', 'lifecycle', 'planner')),
    only('libs/convergence', libs('contracts', 'lifecycle')),
    only('libs/simulator', libs('contracts', 'lifecycle', 'planner', 'convergence', 'maintenance')),
    only('libs/vmm', []),
    only('libs/migration', libs('vmm')),
    only('libs/qmp', []),
    only('libs/network', []),
    only('libs/nbd', []),
    only('libs/hypervisor', libs('qmp')),
    only('libs/database', [...libs('lifecycle', 'contracts', 'planner', 'maintenance'), 'migrations']),
    only('libs/queue', libs('contracts')),
    only('libs/power', []),
    only('libs/client', libs('contracts')),
    only('migrations', []),
    only('apps/vmm', libs('vmm', 'migration', 'nbd', 'network', 'qmp')),
    only(
      'apps/agent',
      libs('contracts', 'lifecycle', 'convergence', 'hypervisor', 'network', 'qmp', 'queue', 'client'),
    ),
    only(
      'apps/controller',
      libs('contracts', 'lifecycle', 'planner', 'convergence', 'maintenance', 'database', 'power', 'queue', 'client'),
    ),
    only('apps/portal', libs('contracts', 'client')),
    only('apps/cli', libs('contracts', 'client', 'simulator')),
    pure('contracts', 'zod'),
    pure('lifecycle'),
    pure('planner'),
    pure('maintenance', 'croner'),
    pure('simulator', 'yaml', 'zod'),
    pure('nbd'),
    pure('convergence'),
    pure('network'),
    pure('vmm'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test)/|\\.as\\.ts$' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      conditionNames: ['drover-source', 'import', 'node', 'default'],
    },
  },
};
