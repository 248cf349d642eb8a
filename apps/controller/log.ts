import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';

export type Log = Logger;
/** Injection token of the Log. */
export const LOG = 'drover:log';

/** Of an error only this: a failed query carries its parameters along, and they may be secrets. */
const describeError = (error: Error & { code?: unknown }) => ({
  type: error.name,
  message: error.message,
  code: error.code,
  stack: error.stack,
});

/** JSON lines on standard output. Whatever concerns a migration carries its `migrationId`. */
export const createLog = (level: string): Log =>
  pino({
    level,
    base: { service: 'controller' },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  });

/** Nest's own messages, in the same format. */
export class NestLog implements LoggerService {
  constructor(private readonly sink: Log) {}

  log(message: unknown, context?: string): void {
    this.sink.debug({ context }, String(message)); // which route is mapped where interests nobody but developers
  }

  error(message: unknown, ...details: unknown[]): void {
    this.sink.error({ details }, String(message));
  }

  warn(message: unknown, context?: string): void {
    this.sink.warn({ context }, String(message));
  }

  debug(message: unknown, context?: string): void {
    this.sink.debug({ context }, String(message));
  }

  fatal(message: unknown, context?: string): void {
    this.sink.fatal({ context }, String(message));
  }
}
