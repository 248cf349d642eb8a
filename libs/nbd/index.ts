/** The NBD protocol: a server and a client, over streams and disks that others provide. */
export { NbdClient } from './client.js';
export { NbdConnectionError, NbdError } from './errors.js';
export type { NbdExport, NbdExports } from './export.js';
export { NbdServerSession } from './server.js';
export type { NbdErrno } from './protocol.js';
export type { Encrypt, NbdStream } from './stream.js';
export type { Extent } from './wire.js';
