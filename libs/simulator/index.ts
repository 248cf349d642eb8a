/** A cluster in simulated time, driven by the planner: what a policy would have done, and what that would have cost. */
export { type HostDescription, type SimulatedHost, type SimulatedVm, type VmDescription } from './cluster.js';
export { Controller } from './controller.js';
export {
  type GanetiPlan,
  factsOfGaneti,
  formatGaneti,
  parseGaneti,
  parseGanetiUtilization,
  planGaneti,
} from './ganeti.js';
export { type ScenarioFiles } from './load-scenario.js';
export type { Memory } from './memory.js';
export { type Metrics, metricsOf } from './metrics.js';
export { reportHtml, reportText } from './report.js';
export { dice } from './random.js';
export { type Scenario, ScenarioError, parseScenario } from './scenario.js';
export { type SimulationResult, runScenario, simulate } from './simulate.js';
export type { Decision } from './decision.js';
export { type Director, Simulation } from './simulation.js';
export { parseCsvTraces, percentAt } from './trace.js';
