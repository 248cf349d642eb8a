/** Where the agent listens: at the port of last time if any will do, so that others find it again after a restart. */
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type AgentConfig, ConfigError } from './config.js';
import { writeAtomically } from './state/json-store.js';

/** Listens, and resolves with the URL that others call. Throws ConfigError if the port is taken. */
export async function listen(app: NestExpressApplication, config: AgentConfig): Promise<string> {
  const { bind, port, dir, url } = config;
  const portFile = join(dir, 'port');
  const lastPort = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : 0;
  try {
    await app.listen(port || lastPort, bind);
  } catch (error) {
    if (port || !lastPort) throw asConfigError(error as NodeJS.ErrnoException, bind, port);
    await app.listen(0, bind); // somebody else has taken the port meanwhile
  }
  const actual = (app.getHttpServer().address() as AddressInfo).port;
  writeAtomically(portFile, String(actual));
  return url ?? `http://${bind.includes(':') ? `[${bind}]` : bind}:${actual}`;
}

function asConfigError(error: NodeJS.ErrnoException, bind: string, port: number): Error {
  if (error.code === 'EADDRINUSE')
    return new ConfigError(`DROVER_AGENT_PORT=${port} is taken on ${bind}; choose another, or 0 for any free one.`);
  if (error.code === 'EADDRNOTAVAIL')
    return new ConfigError(`DROVER_AGENT_BIND=${bind} is no address of this host; use one that is, such as 127.0.0.1.`);
  return error;
}
