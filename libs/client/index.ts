/** Typed client of the controller's API, for browser and Node. */
export { allOf, DroverClient } from './client.js';
export { ApiError, type Connection, ConnectionError } from './http.js';
export type { StreamOptions } from './stream.js';
