/** Moving a running VM: source and destination of pre-copy and post-copy, over ports. */
export { bindCodec } from './codec.js';
export type { Codec } from './codec.js';
export { MigrationError } from './errors.js';
export type { DowntimeBreakdown, Iteration, MigrationFigures, MigrationStatus } from './figures.js';
export { IncomingMigration } from './incoming.js';
export type { IncomingOutcome } from './incoming.js';
export { nothingYet } from './incoming-figures.js';
export type { IncomingFigures, IncomingStatus } from './incoming-figures.js';
export { BandwidthLimiter } from './limiter.js';
export type { Channel, Clock, DestinationMachine, SourceMachine } from './ports.js';
export { DEFAULT_PARAMETERS } from './parameters.js';
export type { PrecopyParameters } from './parameters.js';
export { PrecopySource } from './precopy.js';
export type { MachineDescription } from './protocol.js';
export type { XbzrleFigures } from './xbzrle.js';
