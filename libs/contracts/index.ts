/** All that crosses a process: REST, job payloads, heartbeats. Zod only: no Nest, no I/O. */
export * from './affinity.js';
export * from './agent.js';
export * from './cluster.js';
export * from './common.js';
export * from './convergence.js';
export * from './event.js';
export * from './host.js';
export * from './job.js';
export * from './migration.js';
export * from './placement.js';
export * from './plan.js';
export * from './power.js';
export * from './scheduling.js';
export * from './storage.js';
export * from './vm.js';
export * from './what-if.js';
