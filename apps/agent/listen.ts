/** Where the agent listens: at the port of last time if any will do, so that others find it again after a restart. */
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type AgentConfig, ConfigError } from './config.js';
import type { TunnelExit } from './migration/tunnelled/exit.js';
import type { SwitchThread } from './network/switch-thread.js';
import { writeAtomically } from './state/json-store.js';

/** Listens for orders, and resolves with the URL that others call. Throws ConfigError if the port is taken. */
export async function listen(app: NestExpressApplication, config: AgentConfig): Promise<string> {
  const { bind, port, dir, url } = config;
  const actual = await listenAgain(join(dir, 'port'), { name: 'DROVER_AGENT', bind, port }, async (at) => {
    await app.listen(at, bind);
    return (app.getHttpServer().address() as AddressInfo).port;
  });
  return url ?? `http://${bind.includes(':') ? `[${bind}]` : bind}:${actual}`;
}

/** Listens for the tunnels of other hosts' switches; resolves with the port. Throws ConfigError if the port is taken. */
export function listenForTunnels(network: SwitchThread, config: AgentConfig): Promise<number> {
  const { tunnelBind: bind, tunnelPort: port, dir } = config;
  const setting = { name: 'DROVER_TUNNEL', bind, port };
  return listenAgain(join(dir, 'tunnel-port'), setting, (at) => network.listen(bind, at));
}

/** Listens for tunnelled migrations; resolves with the port. Throws ConfigError if the port is taken. */
export function listenForMigrations(exit: TunnelExit, config: AgentConfig): Promise<number> {
  const { migrationBind: bind, migrationPort: port, dir } = config;
  const setting = { name: 'DROVER_MIGRATION', bind, port };
  return listenAgain(join(dir, 'migration-port'), setting, (at) => exit.listen(bind, at));
}

/** What was set: NAME_BIND and NAME_PORT. */
interface Setting {
  readonly name: string;
  readonly bind: string;
  readonly port: number;
}

async function listenAgain(
  portFile: string,
  setting: Setting,
  listenAt: (port: number) => Promise<number>,
): Promise<number> {
  const lastPort = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : 0;
  const actual = await listenAt(setting.port || lastPort).catch((error: NodeJS.ErrnoException) => {
    if (setting.port || !lastPort) throw asConfigError(error, setting);
    return listenAt(0); // somebody else has taken the port meanwhile
  });
  writeAtomically(portFile, String(actual));
  return actual;
}

function asConfigError(error: NodeJS.ErrnoException, { name, bind, port }: Setting): Error {
  if (error.message.includes('EADDRINUSE'))
    return new ConfigError(`${name}_PORT=${port} is taken on ${bind}; choose another, or 0 for any free one.`);
  if (error.message.includes('EADDRNOTAVAIL'))
    return new ConfigError(`${name}_BIND=${bind} is no address of this host; use one that is, such as 127.0.0.1.`);
  return error;
}
