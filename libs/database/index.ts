/** All SQL of the controller. */
export { AgentRoles } from './agent-roles.js';
