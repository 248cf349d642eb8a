/** JSON lines on standard output, for people and machines; secrets never reach them. */
import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';

export type Log = Logger;

const SECRETS = ['ticket', 'agentToken', 'heartbeatToken', 'authorization', 'token', 'queue.url'];

export const createLog = (level: string): Log =>
  pino({
    level,
    base: { app: 'agent' },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  });

/** What NestJS itself has to say: its warnings and errors; its reports of every route and module are for debugging. */
export const nestLog = (log: Log): LoggerService => ({
  log: (message) => log.debug(String(message)),
  warn: (message) => log.warn(String(message)),
  error: (message, ...details) => log.error({ details: details.map(String) }, String(message)),
});
