export { ANNOUNCE_DEFAULTS, announcePausesMs, rarpAnnouncement, type AnnounceParameters } from './announcement.js';
export { MessageReader, PREFIX_BYTES, prefixOf } from './framing.js';
export { isGroup, macBytes, parseMac, type Mac } from './mac.js';
export { adapt, frameOf, isSound, NO_OFFLOADS, packetOf } from './offload.js';
export { LearningSwitch } from './switch.js';
export { MAX_TUNNEL_BYTES, readTunnelMessage, tunnelHeader, tunnelNetworks } from './tunnel.js';
