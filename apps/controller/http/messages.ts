import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request as the routes see it. */
export interface Request extends IncomingMessage {
  readonly originalUrl: string;
  readonly body?: unknown;
}

export type Response = ServerResponse<Request>;
