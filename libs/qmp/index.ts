export { boolean, integer, list, object, oneOf, optional, string, type Check } from './arguments.js';
export { QmpClient, QmpCommandError, QmpConnectionError } from './client.js';
export { listenQmp, removeStaleSocket, type QmpAddress } from './listen.js';
export { QmpError, type QmpEvent } from './protocol.js';
export { QmpServer } from './server.js';
