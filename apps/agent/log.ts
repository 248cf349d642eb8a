/** JSON lines on standard output, for people and machines; secrets never reach them. */
import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';

export type Log = Logger;

const SECRETS = ['ticket', 'agentToken', 'heartbeatToken', 'authorization', 'token', 'queue.url'];

/** `onLine`: told each call's arguments and level, be it printed or not. */
export const createLog = (level: string, onLine?: (given: readonly unknown[], level: string) => void): Log =>
  pino({
    level,
    base: { app: 'agent' },
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(onLine && {
      hooks: {
        logMethod(given, method, severity) {
          onLine(given, pino.levels.labels[severity]!);
          method.apply(this, given);
        },
      },
    }),
    redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  });

/** What NestJS itself has to say: its warnings and errors; its reports of every route and module are for debugging. */
export const nestLog = (log: Log): LoggerService => ({
  log: (message) => log.debug(String(message)),
  warn: (message) => log.warn(String(message)),
  error: (message, ...details) => log.error({ details: details.map(String) }, String(message)),
});
