export { ANNOUNCE_DEFAULTS, announcePausesMs, rarpAnnouncement, type AnnounceParameters } from './announcement.js';
export { FramingError, MAX_FRAME_BYTES, PacketReader, PREFIX_BYTES, prefixOf } from './framing.js';
export { formatMac, isGroup, macBytes, parseMac, type Mac } from './mac.js';
export { LearningSwitch, type Forwarding } from './switch.js';
