/** Typed client of the controller's API, for browser and Node. */
export { allOf, DroverClient } from './client.js';
export { ApiError, ConnectionError } from './http.js';
