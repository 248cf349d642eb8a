/** Switches hosts on and off: by the agents that clusters fence with, by wake-on-LAN, or by a program of one's own. */
export { type FenceAgentSettings, fenceAgent, isDangerousOption } from './fence-agent.js';
export { type FenceAgentMetadata, type FenceParameter, parseFenceMetadata } from './fence-metadata.js';
export { findFenceAgent, isExecutable, readFenceMetadata } from './installed-agents.js';
export { type PowerControl, PowerError, type PowerState } from './power-control.js';
export { parseDcmiPower, readWatts, type WattsSource } from './watts.js';
export { magicPacket, parseMacAddress, type WakeOnLanSettings, wakeOnLan } from './wake-on-lan.js';
