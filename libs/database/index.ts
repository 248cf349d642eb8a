/** All SQL of the controller. */
export { AgentRoles } from './agent-roles.js';
export { openDataSource } from './data-source.js';
